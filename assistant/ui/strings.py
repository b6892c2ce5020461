"""Everything the page says, in one table: a row of the same keys for each language; unknown languages read English.

say = words("es"); say["ask"]
"""

from collections.abc import Mapping

Words = Mapping[str, str]

FALLBACK = "en"

STRINGS: dict[str, dict[str, str]] = {
    "es": {
        "ask": "Escriba su pregunta…",
        "page_chat": "Preguntar",
        "page_documents": "Documentos",
        "welcome": "¿Qué desea saber?",
        "welcome_more": "Savia busca en {documents} documentos, responde con lo que dicen y muestra de dónde viene cada frase.",
        "samples": "Por ejemplo",
        "domain": "Tema",
        "choose_domain": "Elija un tema",
        "new_chat": "Nueva conversación",
        "index_state": "{documents} documentos · {passages} pasajes",
        "searching": "Buscando en los documentos…",
        "found": "{count} pasajes encontrados",
        "found_one": "1 pasaje encontrado",
        "found_none": "Ningún pasaje encontrado",
        "searched_as": "Se buscó: «{searched}»",
        "thinking": "Pensando…",
        "reasoning": "Razonamiento",
        "refused": "Sin respuesta en los documentos",
        "refused_more": "Pruebe con otras palabras, o con el nombre exacto de lo que busca.",
        "urgent": "Lea esto primero",
        "stopped": "Respuesta detenida: el texto está incompleto.",
        "failed": "La respuesta se interrumpió.",
        "made_by": "Motor: {backend} · Modelo: {model} · {seconds} s",
        "lexical_only": "Solo búsqueda por palabras, sin vectores de significado.",
        "lexical_building": "Los vectores se están calculando; mientras tanto se busca solo por palabras.",
        "cited": "Pasajes citados",
        "other_sources": "Otros pasajes encontrados ({count})",
        "nearest": "Pasajes más cercanos ({count})",
        "unsupported": "El pasaje no respalda esta afirmación: «{claim}»",
        "stray": "La respuesta cita el número [{n}], que no corresponde a ningún pasaje.",
        "introduction": "Introducción",
        "open_document": "Ver el documento",
        "filter": "Buscar un documento",
        "type": "Tipo",
        "all_types": "Todos",
        "shown_of": "{shown} de {total} documentos",
        "narrow": "Se muestran los primeros {shown}; escriba algo para acotar la lista.",
        "none_match": "Ningún documento coincide.",
        "choose_document": "Elija un documento de la lista.",
        "document_gone": "El documento «{document}» ya no está en la carpeta.",
        "related": "Documentos relacionados",
        "no_index": "El tema «{domain}» todavía no tiene índice, así que aún no puede responder.",
        "damaged_index": "El índice del tema «{domain}» no se puede leer.",
        "build_index": "Construir el índice",
        "by_command": "O desde la terminal:",
        "building": "Construyendo el índice…",
        "building_read": "Leyendo los documentos",
        "building_embed": "Calculando vectores",
        "building_add": "Guardando en Chroma",
        "building_delete": "Quitando pasajes antiguos",
        "build_failed": "No se pudo construir el índice.",
        "empty_corpus": "El tema «{domain}» no tiene documentos todavía.",
        "empty_corpus_more": "Ponga archivos Markdown (.md) en esta carpeta y construya el índice:",
        "rows_only": "El tema «{domain}» tiene filas de entrenamiento pero no documentos: sirve para enseñar a un modelo y no responde preguntas con pasajes.",
        "rows_only_more": "Prepare sus datos con la primera orden; para preguntarle, ponga archivos Markdown (.md) en la carpeta y construya el índice:",
        "unknown_domain": "No existe el tema «{domain}».",
        "unknown_domain_more": "Elija otro a la izquierda o revise la variable SAVIA_DOMAIN.",
        "known_domains": "Temas disponibles: {names}.",
        "broken_domain": "La configuración del tema «{domain}» tiene fallas:",
        "broken_domain_more": "Corrija el archivo domain.yaml y vuelva a cargar la página.",
        "no_embedder": "El modelo de vectores no está disponible; se busca solo por palabras.",
        "bad_settings": "La configuración no se puede leer.",
        "problem": "No se puede continuar.",
    },
    "en": {
        "ask": "Write your question…",
        "page_chat": "Ask",
        "page_documents": "Documents",
        "welcome": "What would you like to know?",
        "welcome_more": "Savia searches {documents} documents, answers with what they say and shows where each sentence comes from.",
        "samples": "For example",
        "domain": "Subject",
        "choose_domain": "Choose a subject",
        "new_chat": "New conversation",
        "index_state": "{documents} documents · {passages} passages",
        "searching": "Searching the documents…",
        "found": "{count} passages found",
        "found_one": "1 passage found",
        "found_none": "No passage found",
        "searched_as": "Searched for: “{searched}”",
        "thinking": "Thinking…",
        "reasoning": "Reasoning",
        "refused": "No answer in the documents",
        "refused_more": "Try other words, or name what you are asking about.",
        "urgent": "Read this first",
        "stopped": "Answer stopped: the text is incomplete.",
        "failed": "The answer was interrupted.",
        "made_by": "Backend: {backend} · Model: {model} · {seconds} s",
        "lexical_only": "Searching by words only, without vectors of meaning.",
        "lexical_building": "Vectors are being computed; until then the search goes by words only.",
        "cited": "Cited passages",
        "other_sources": "Other passages found ({count})",
        "nearest": "Nearest passages ({count})",
        "unsupported": "The passage does not support this statement: “{claim}”",
        "stray": "The answer cites number [{n}], which belongs to no passage.",
        "introduction": "Introduction",
        "open_document": "Open the document",
        "filter": "Find a document",
        "type": "Type",
        "all_types": "All",
        "shown_of": "{shown} of {total} documents",
        "narrow": "The first {shown} are shown; type something to narrow the list.",
        "none_match": "No document matches.",
        "choose_document": "Choose a document from the list.",
        "document_gone": "The document “{document}” is no longer in the folder.",
        "related": "Related documents",
        "no_index": "The subject “{domain}” has no index yet, so it cannot answer.",
        "damaged_index": "The index of the subject “{domain}” cannot be read.",
        "build_index": "Build the index",
        "by_command": "Or in a terminal:",
        "building": "Building the index…",
        "building_read": "Reading documents",
        "building_embed": "Computing vectors",
        "building_add": "Writing to Chroma",
        "building_delete": "Removing old passages",
        "build_failed": "The index could not be built.",
        "empty_corpus": "The subject “{domain}” has no documents yet.",
        "empty_corpus_more": "Put Markdown files (.md) into this folder and build the index:",
        "rows_only": "The subject “{domain}” has training rows but no documents: it serves to teach a model and answers no questions from passages.",
        "rows_only_more": "Prepare its data with the first command; to ask it, put Markdown files (.md) into the folder and build the index:",
        "unknown_domain": "There is no subject “{domain}”.",
        "unknown_domain_more": "Choose another one on the left or check the variable SAVIA_DOMAIN.",
        "known_domains": "Subjects that are there: {names}.",
        "broken_domain": "The configuration of the subject “{domain}” has faults:",
        "broken_domain_more": "Correct the file domain.yaml and reload the page.",
        "no_embedder": "The vector model is not available; the search goes by words only.",
        "bad_settings": "The settings cannot be read.",
        "problem": "It is not possible to go on.",
    },
}

# Front-matter fields as readers know them; others are shown under their own name.
FIELDS: dict[str, dict[str, str]] = {
    "es": {
        "botanical_name": "Nombre científico",
        "family": "Familia",
        "synonyms": "Otros nombres",
        "regions": "Regiones",
        "uses": "Usos",
        "languages": "Lenguas",
        "source": "Fuente",
    },
    "en": {
        "botanical_name": "Scientific name",
        "family": "Family",
        "synonyms": "Other names",
        "regions": "Regions",
        "uses": "Uses",
        "languages": "Languages",
        "source": "Source",
    },
}


def words(language: str | None) -> Words:
    """The table's row for a language code such as es or es-MX."""
    return STRINGS[_known(language)]


def field_name(name: str, language: str) -> str:
    return FIELDS[_known(language)].get(name, name.replace("_", " ").capitalize())


def number(value: float, language: str) -> str:
    """One decimal, with the language's decimal sign; what would round to nothing is said to be less than 0.1."""
    written = f"{value:.1f}" if value >= 0.1 else "< 0.1"
    return written.replace(".", "," if _known(language) == "es" else ".")


def _known(language: str | None) -> str:
    code = (language or FALLBACK).replace("_", "-").split("-")[0].lower()
    return code if code in STRINGS else FALLBACK
