"""How much of a question a whole document says, where no single passage says much of it.

    document_shares(view, "¿a quién llaman cuando ya viene el bebé?")      # (documents,), from 0 to 1

A long question in a person's own words touches several sections of the right document and one of many wrong ones.
"""

import numpy as np

from retrieval.view import Scores, View


def document_shares(view: View, question: str) -> Scores:
    """For each document, the share of the question's known words, by idf, that any of its passages has.

    Cost: the postings of the question's words.
    """
    shares = np.zeros(len(view.documents), np.float32)
    numbers = {number for _, number in view.query_terms(question) if number >= 0}
    total = sum(view.term_idf(number) for number in numbers)
    for number in numbers:
        rows = view.postings.rows[view.postings.starts[number] : view.postings.starts[number + 1]]
        shares[np.unique(view.document_rows[rows])] += view.term_idf(number) / total
    return shares
