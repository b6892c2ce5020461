"""What kind of answer a question wants, from its wording: a definition, the uses, the warnings, a comparison, a list...

read_intent("¿qué diferencia hay entre la ruda y el romero?", "es").kind     # 'comparison'
"""

import re
from dataclasses import dataclass
from typing import Literal

from retrieval.domain import Role
from retrieval.text import fold_accents

IntentKind = Literal["facts", "comparison", "list"]


@dataclass(frozen=True, slots=True)
class Intent:
    """`roles` are the section roles that answer best, first one first; empty: any."""

    kind: IntentKind
    roles: tuple[Role, ...] = ()


# First match wins within each group; the text is lower-case and without accents (ñ kept). Gaps are
# bounded: an open one after a word that a question repeats costs the square of its length.
_ROLES: dict[str, list[tuple[Role, str]]] = {
    "es": [
        ("safety", r"toxic|venen|peligr|riesg|dañ|contraindic|efectos? (malos|secundari|advers)|intoxic|alerg|embaraz|lactan|"
         r"amamant|bebe|recien nacid|esperando|mezcl|interact|abort|segur[oa]\b|cuidado|malo para|mala para|hace mal|cae mal|"
         r"puedo (tomar|dar|usar|comer|untar|poner)|se pueden? (tomar|dar|comer|usar)|dar a (mis|los|un)|(dar|doy|darles?|puedo|pueden?|segur\w{1,12}|mal[oa])\b.{0,30}niñ|no hay que|no se debe|por que no (se|debo)|que hay que hacer|contra su salud|sobredosis|muere|"
         r"morir|\bmatar\b|que (le )?hago\W*$|(al|con el|mi) (doctor|medico)\b|hospital|urgenc|\btrag(o|ue|aron)\b|benen|embaras|esto[iy] criando|me afecta|mala idea|"
         r"panza de|de encargo|bajon|quirofano"),
        ("culture", r"quien(es)? (cura|sana|atiende|sabe)"),
        ("names", r"que (significa|quiere decir)|por que (se|le|la) (llama|dice)|otros? nombres?|como (le dicen|le llaman|se llama|le nombran)|tambien (se )?(llama|conoce)|sinonim|le dicen|"
         r"nombre (cientifico|popular|botanico|comun)"),
        ("evidence", r"comprobad|cientific|evidencia|estudios|investigaci|demostrad|funciona|de verdad|realmente|farmaco|ensayos"),
        ("chemistry", r"contiene|compuest|sustanci|quimic|principios? activ|componentes|alcaloid|aceite esencial|que trae|de que esta hech"),
        ("history", r"histori|^\W*antes\b(?! de)|antigu|aztec|mexica|prehispan|coloni|siglo|origen del nombre|desde cuando|llego a|codice|españoles"),
        ("preparation", r"prepar|como se (toma|usa|hace|aplica|cocina)|infusion|cataplasma|modo de|\breceta\b|como la (toman|usan)"),
        ("uses", r"para que|que se (hace|toma|da|usa|pone)\b|sirve|\busa|\buso|usan|utiliza|emplea|\bcura[rn]?\b|remedio|quita|alivia|ayuda|trat(a|amiento)|beneficio|propiedad|bueno para|buena para"),
        ("place", r"donde (viven|estan|habitan|se ubican)|en que (estados?|region|lugar)|ubica|territori"),
        ("description", r"donde (crece|se da|hay)|como es\b|se reconoce|reconocer|parece|flor(es)?\b|hojas?\b|tamaño|clima|cultiv|siembr|crece|mide|altura|familia"),
        ("definition", r"\bque (es|son|significa)\b|quien(es)? (es|son)\b|define|definicion|^\W*explica|explicame|hablame|cuentame|que quiere decir"),
        ("culture", r"creen|creencia|ritual|significado|cultura|simbol|costumbre|ceremoni"),
    ],
    "en": [
        ("safety", r"toxic|poison|danger|risk|harm|contraindicat|side effects?|adverse|pregnan|breastfe|bab(y|ies)|child|safe\b|"
         r"interact|overdose|avoid|warning|caution|pitfall|mistake"),
        ("names", r"other names?|also called|also known|synonym|called"),
        ("evidence", r"proven|evidence|studies|research|trial|does it work|effective"),
        ("chemistry", r"contain|compound|chemical|active ingredient|made of"),
        ("history", r"histor|origin|ancient|century|invented|first used"),
        ("preparation", r"prepare|how (do|to) (i |you )?(take|use|make|apply)|recipe"),
        ("uses", r"used? for|what for|uses?\b|treat|cure|help|benefit|good for|purpose|when (should|to) "),
        ("place", r"where (do|does|is|are)|located|region"),
        ("description", r"look like|recogni|grow|size|family|describe"),
        ("definition", r"what('s| is| are)|who (is|are)|define|definition|mean(s|ing)?\b|explain|tell me about"),
        ("culture", r"belie|ritual|custom|ceremon|cultur"),
    ],
}  # fmt: skip
_COMPARISON = {
    "es": r"diferencia|compar|\bmejor\b.{0,100}\bo\b|\bo\b (la|el|los|las) |entre .{0,100} y |igual(es)? que|lo mismo que|distingu|parecen|versus|\bvs\b",
    "en": r"difference|compare|comparison|better .{0,100} or | or the |between .{0,100} and |same as|versus|\bvs\b|distinguish",
}
_LIST = {
    "es": r"\b(que|cuales|dime|menciona|enumera|lista)\b.{0,25}\b(plantas|hierbas|yerbas|remedios|tes|pueblos|enfermedades|padecimientos|"
    r"especies|tipos|nombres|medidas|cosas|arboles|flores|ingredientes)\b|cuales son (los|las|sus)\b|\bcon que (plantas?|hierbas?|se cura)|que (puedo )?(tomo|tomar|me tomo) para",
    "en": r"\b(which|what|list|name)\b.{0,25}\b(plants|herbs|kinds|types|methods|tests|ways|steps|examples|diseases|symptoms)\b",
}


# As typed in chats.
_SHORT = {
    "es": [
        (r"x ?q|x ?k|pq|porq|pork", "por que"),
        (r"k|q|ke|qe", "que"),
        (r"pa|pra", "para"),
        (r"[sc]ir[bv]en?", "sirve"),
        (r"komo", "como"),
        (r"d", "de"),
    ],
    "en": [(r"u", "you"), (r"r", "are"), (r"wat|wht", "what")],
}
# A question that can be answered with yes or no and is about an effect wants to know whether it was shown.
_EFFECT = {
    "es": r"^(?!.*\b(que|como|cual(es)?|donde|cuando|cuant[oa]s?|quien(es)?)\b).*\b(sirve|baja[rn]?|cura[rn]?|quita[rn]?|mata[rn]?|ayuda[rn]?|"
    r"alivia[rn]?|combate[rn]?|elimina[rn]?|mejora[rn]?|previene[n]?)\b",
    "en": r"^\W*(does|do|can)\b.*\b(help|work|cure|lower|reduce|prevent|treat|relieve|increase)\b",
}


# Words that ask and name nothing.
_ASKING = {
    "es": "sirve sirven sirbe usa usan usar uso usos utiliza emplea buena bueno remedio propiedades beneficios es son significa explica "
    "explícame háblame cuéntame platícame dime información define definición quiere decir tradicional medicina medicinal planta hierba yerba "
    "té tecito prepara preparar preparación toma tomar hace hacen cómo peligroso peligrosa tóxico tóxica venenoso venenosa peligro malo mala "
    "efectos secundarios riesgos cura curan curar quita tratamiento tratar síntomas signos causas causa historia contiene sustancias tiene "
    "otros nombres nombre llaman dicen conoce conocen dónde crece viven vive quién hay gente sabe saber reconoce existe existen "
    "desde cuándo llegó llegaron origen",
    "en": "what is are use used uses does do mean means explain tell define definition work works cause causes symptoms signs treatment "
    "treat history danger dangers dangerous safe risks mistakes called name",
}


def asking_words(language: str) -> str:
    """Words that ask and name nothing ("sirve", "significa")."""
    return _ASKING.get(language, "")


def read_intent(question: str, language: str) -> Intent:
    """The intent of a question; languages without patterns get the plain one."""
    text = fold_question(question, language)
    roles = tuple(role for role, pattern in _ROLES.get(language, ()) if re.search(pattern, text))
    if "safety" not in roles and "evidence" not in roles and re.search(_EFFECT.get(language, r"(?!)"), text):
        roles = ("evidence", *roles)
    if re.search(_COMPARISON.get(language, r"(?!)"), text):
        return Intent("comparison", roles)
    if re.search(_LIST.get(language, r"(?!)"), text):
        return Intent("list", roles)
    return Intent("facts", roles)


def fold_question(question: str, language: str) -> str:
    """Lower case, no accents (ñ kept), and the abbreviations of chats written out."""
    text = fold_accents(question.lower(), keep="ñ")
    for short, long in _SHORT.get(language, ()):
        text = re.sub(rf"\b({short})\b", long, text)
    return text
