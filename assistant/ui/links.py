"""Addresses inside the page: a relative link of a Markdown file becomes the address of that document's page.

link_resolver("herbolaria", "plantas/sabila")("../diccionario/l/limpia.md")
# 'documents?domain=herbolaria&document=diccionario/l/limpia'
"""

import posixpath
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit

from assistant.ui.safe_markdown import ResolveLink
from retrieval.corpus import SUFFIXES
from retrieval.documents import document_id

DOCUMENTS_PATH = "documents"


def document_address(domain: str, document: str) -> str:
    """Relative to the page's root, so that it also holds behind a proxy's path."""
    return f"{DOCUMENTS_PATH}?domain={quote(domain)}&document={quote(document)}"


def link_resolver(domain: str, document: str, known: Collection[str] | None = None) -> ResolveLink:
    """Resolves links that stand in `document`; None for what is no document (of `known`, where given)."""

    def resolve(href: str) -> str | None:
        target = linked_document(document, href)
        if target is None or (known is not None and target not in known):
            return None
        return document_address(domain, target)

    return resolve


def linked_document(document: str, href: str) -> str | None:
    """The id of the document that a relative link in `document` leads to, or None."""
    path = unquote(urlsplit(href).path)
    if not path.lower().endswith(SUFFIXES) or path.startswith("/"):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
    return None if target.startswith("..") else document_id(target)
