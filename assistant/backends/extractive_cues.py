"""What a sentence of a document sounds like: turns of phrase of a role, and whether it speaks of what a question turns on.

speaks_of("safety", "No debe darse a niños pequeños.", "es")                       # True
shared_matters("¿y si estoy embarazada?", "Se evita en la gestación.", "es")       # 1.0
"""

import re
from functools import lru_cache

from assistant.intent import fold_question
from retrieval.domain import Role
from retrieval.text import fold_accents

# Turns of phrase of a sentence that answers a question of that role.
_CUES: dict[str, dict[Role, str]] = {
    "es": {
        "safety": r"no (se )?(deb|conviene|toma|da\b|dan\b|recomienda|usa|aplica)|nunca|jamas|contraindic|desaconsej|evitar|urgen|911|"
        r"peligr|riesgo|toxic|venen|grave|daña|irrita|provoca|precaucion|cautela|atencion medica|al medico|hospital|seguro|segura",
        "names": r"\bnombr|se (le )?(llama|dice|conoce)|le (llaman|dicen)|conocid[oa] como|sinonim|llamad[oa]",
        "evidence": r"estudi|ensayo|laborator|en (animales|ratas|ratones|conejos|personas)|prueba|demostr|investig|clinic|preliminar",
        "chemistry": r"contiene|compuest|alcaloid|flavonoid|aceite esencial|acido|sustanci|component",
        "history": r"siglo|españoles|prehispan|conquist|codice|antigu|coloni|\b1[5-9]\d\d\b",
        "preparation": r"hierv|cocimiento|infusion|macera|muele|molid|remoja|se prepara|se toma|se bebe|se unta|se aplica|se cuela",
        "uses": r"se (usa|emplea|toma|bebe|aplica|unta|recurre|da\b|dan\b)|\busan\b|\bemplean\b|sirve|remedio|\bcontra\b|para (el|la|los|las)\b",
        "place": r"\bviv|habita|territori|\bnorte\b|\bsur\b|\bcosta\b|\bsierra\b|estados? de|municipio",
        "description": r"mide|hojas|tallo|crece|procede|origin|nativ|vive en|prospera|reconoce",
        "definition": r"^(el|la|los|las|un|una)?\s?([\w-]+ ){1,5}?(es|son|significa) |deriva de|se llama asi",
        "culture": r"se cree|segun la|creencia|simbol|ritual|ceremonia|ofrenda|sagrad|costumbre",
    },
    "en": {
        "safety": r"never|do not|don't|should not|must not|avoid|danger|risk|warning|emergency|urgent|at once|doctor|toxic|harm|mistake",
        "names": r"called|known as|name",
        "evidence": r"stud(y|ies)|trial|evidence|example|shown|found that",
        "chemistry": r"contains?|compound|acid",
        "history": r"century|\b1[5-9]\d\d\b|first|introduced",
        "preparation": r"step|first|then|boil|mix|take",
        "uses": r"used? (to|for|when)|helps?|treat|suitable|useful",
        "definition": r"^(an?|the)?\s?([\w/-]+ ){1,5}?(is|are|means) ",
    },
}  # fmt: skip


# What a question turns on -> what the sentence that answers it speaks of, in other words than the question's.
_MATTERS: dict[str, list[tuple[str, str]]] = {
    "es": [
        (r"embaraz|encinta|preñ|gestaci|de encargo|esper(o|a|ando|amos) (a )?(un |mi )?(bebe|hij|criatura)|panza de .{0,40} mes|abort",
         r"embaraz|gestaci|gestante|abort|utero"),
        (r"amamant|lactan|lactando|(doy|dando|da) (de |el |la )?(pecho|teta|chichi)|estoy criando", r"lactan|amamant|que cria"),
        (r"bebe|niñ|\bhij[oa]s?\b|\bhijit|chamac|chiquit[oa]s?\b|escuincl|recien nacid|criatura|\bnen[eao]s?\b|nietec|\bniet[oa]",
         r"niñ|bebe|lactantes|infancia|pequeños|menores|recien nacid|pediatr"),
        (r"quirofano|cirugia|operar|operacion|operaron|anestesia|cesarea|rajaron|puntadas", r"cirugia|anestesia|operacion|cesarea|sutura"),
        (r"escuela|aprend|enseñ|instru", r"enseñ|aprend|escuela|aprendiz"),
        (r"pastilla|medicament|medicina|insulina|metformin|losartan|anticoagul|recet(o|aron)|inyect",
         r"medicament|medicinas|farmac|insulina|anticoagul|pastilla|warfarin|antihipertens|sedantes"),
        (r"diabet|azucar|bajon", r"diabet|azucar|glucosa"),
        (r"\b(trag(o|ue|aron)|mordi(o|eron)|mordisque\w+|mastic(o|aron)|chup(o|aron)|comi(o|eron))\b|intoxic|envenen|veneno",
         r"urgencias|911|hospital|toxicolog|intoxicacion"),
        (r"\bdoctor|\bmedico|hospital|urgen|que hago\b|\bgrave|emergenc", r"atencion medica|urgencias|911|hospital|al medico|consulta|denunciar"),
        (r"originari|de donde (es|son|viene|vienen|vino|proviene)\b|procede", r"procede|origen|originari|nativ|proviene|viene de|deriva|lleg(o|aron) (a|de)\b"),
        (r"confund|distingui|reconoc|diferenci", r"confund|sustituci|distingu|por error|diferenci|en cambio|se reconoce|parecid"),
        (r"(la|lo|las|los|se) (saca|extra|obtien|cosech|recolect|junta)", r"extra|obtien|cosech|recolect|recog|se saca|cortes"),
        (r"en que (fecha|dia|mes|epoca)|cuando (es|se|van|hacen)\b",
         r"\b(enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)\b|dia de"),
        (r"\bcuant[oa]s?\b", r"\d|\b(cien|mil(es)?|medi[oa]|un millon)\b"),
        (r"donde (crece|hay|se da|viv|est)|en que (zona|lugar|region|estado|parte)", r"crece|vive|habita|se encuentra|prospera|abunda"),
        (r"\bcom(e|en|er|emos|erse)\b|comestible", r"\bcom(e|en|er)\b|comestible|alimento|atole|tragar|mastic"),
        (r"otros? nombres?|como (le|la|lo|se) (dice|llama|conoce)|tambien se (llama|conoce)",
         r"se (le )?(llama|dice)\b|se (le )?conoce (como|con)|\ble (llaman|dicen)"),
        (r"prepara|como se (hace|toma|usa)|receta\b|\bhierv", r"hierv|hervi|cuela|remoj|macera|repos|se muele|se mezcla|cocimiento"),
        (r"antigu|prehispan|antepasad|aztec|mexicas|desde cuando|conquist", r"antigu|prehispan|mexicas\b|azteca|mayas|siglo|españoles|conquist|tributo"),
        (r"dinero|cobra|estafa|cuesta", r"cobra|dinero|engañ|estaf|fraude"),
        (r"perr(o|it)|gat(o|it)|mascota|ganado|animalit", r"mascota|animales|perros|gatos|ganado"),
    ],
    "en": [
        (r"pregnan|expecting", r"pregnan"),
        (r"breast-?feed|nursing", r"breast-?feed|nursing"),
        (r"bab(y|ies)|child|kid|toddler|\bson\b|daughter|infant", r"bab(y|ies)|child|infant|toddler|under .{0,40} (months|years)"),
        (r"surgery|operation|anaesthe|anesthe", r"surgery|operation|anaesthe|anesthe"),
        (r"tablet|pill|medicine|medication|drug", r"tablet|pill|medicine|medication|drug"),
        (r"swallow|poison|overdose", r"poison|emergency|swallow"),
        (r"doctor|hospital|emergency|urgent|serious|worried|danger", r"doctor|hospital|emergency|urgent|ambulance|at once"),
    ],
}  # fmt: skip


def shared_matters(question: str, sentence: str, language: str) -> float:
    """How much of what the question turns on (a pregnancy, a child, other medicines, where from...) a sentence speaks of: 0 to 1.

    One of two matters counts 0.71: a sentence seldom speaks of all of them.
    """
    wanted = _wanted(question, language)
    said = fold_accents(sentence.lower(), keep="ñ") if wanted else ""
    found = sum(bool(re.search(answer, said)) for answer in wanted)
    return float((found / len(wanted)) ** 0.5) if found else 0.0


def speaks_of(role: Role, sentence: str, language: str) -> bool:
    """Whether a document's sentence has a turn of phrase that answers questions of this role."""
    pattern = _CUES.get(language, {}).get(role)
    return bool(pattern and re.search(pattern, fold_accents(sentence.lower(), keep="ñ")))


@lru_cache(maxsize=64)
def _wanted(question: str, language: str) -> tuple[str, ...]:
    asked = fold_question(question, language)
    return tuple(answer for matter, answer in _MATTERS.get(language, ()) if re.search(matter, asked))
