"""CoNLL files: columns, comments, documents, line ends, and every fault with its place."""

from __future__ import annotations

import pytest

from core.errors import DataError

PLAIN = "Ada B-person\nKowalska I-person\nran O\n\nLeeds B-place\n"


def shown(source):
    return [(row.place, row.example.surfaces, row.label) for row in source.rows]


EXPECTED = [
    ("rows.conll:1", ["Ada", "Kowalska", "ran"], ["B-person", "I-person", "O"]),
    ("rows.conll:5", ["Leeds"], ["B-place"]),
]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(" ", "\t"),
        PLAIN.replace(" ", "   ").replace("\n\n", "\n \t\n"),
        PLAIN.replace(" ", " NN _ ").replace("O\n", "O \n"),
    ],
)
def test_any_separator_line_end_and_number_of_columns(read, text):
    assert shown(read(text)) == EXPECTED


def test_words_keep_their_spaces_between_tabs(read):
    (row,) = read("New York\tB-place\n#\tO\nno\xa07\tO\n").rows
    assert row.example.surfaces == ["New York", "#", "no\xa07"]
    assert row.example.text == "New York # no\xa07"


def test_columns_can_be_chosen(read):
    source = read("1 Ada NNP B-person\n2 ran VBD O\n", word_column=1, tag_column=2)
    assert shown(source) == [("rows.conll:1", ["Ada", "ran"], ["NNP", "VBD"])]
    assert "4 columns separated by spaces, words from 1, tags from 2; scheme plain" in source.origin
    with pytest.raises(DataError, match=r"data.tag_column: there is no column 7: rows.conll has 4 columns"):
        read("1 Ada NNP B-person\n", tag_column=7)


def test_comments_are_left_out_and_hashes_survive(read):
    source = read("# a comment of many words\nAda B-person\n# O\n\n# O\n1 O\n\n# only a comment here\n\n")
    assert shown(source) == [
        ("rows.conll:2", ["Ada", "#"], ["B-person", "O"]),
        ("rows.conll:5", ["#", "1"], ["O", "O"]),
    ]


def test_documents_are_groups(read):
    text = "-DOCSTART- -X- O O\n\nAda NN O B-person\n\n-DOCSTART- -X- O O\nran V O O\n\nhome N O O\n"
    source = read(text, group="docstart")
    assert [row.group for row in source.rows] == ["rows.conll:1", "rows.conll:2", "rows.conll:2"]
    assert [row.group for row in read(text).rows] == [None] * 3
    with pytest.raises(DataError, match="has no lines -DOCSTART-"):
        read(PLAIN, group="docstart")
    with pytest.raises(DataError, match="can only be grouped by document"):
        read(PLAIN, group="article")


def test_universal_dependencies(read):
    line = "{}\t{}\t_\t{}\t_\t_\t_\t_\t_\t_\n"
    text = "# text = Vámonos\n" + line.format("1-2", "Vámonos", "_") + line.format(1, "Vamos", "VERB")
    text += line.format(2, "nos", "PRON") + line.format("2.1", "x", "X") + "\n"
    (row,) = read(text, "dev.conllu").rows
    assert (row.place, row.example.surfaces, row.label) == ("dev.conllu:2", ["Vamos", "nos"], ["VERB", "PRON"])


def test_a_column_of_numbers_is_not_taken_for_words(read):
    with pytest.raises(DataError, match="column 0 holds numbers, not words") as error:
        read("1\tAda\tB-x\n2\tran\tO\n")
    assert "data.word_column=1" in str(error.value)
    universal = "1\tx\t_\tVERB\tVB\t_\t_\t_\t_\t_\n" * 2
    assert [(row.example.surfaces, row.label) for row in read(universal, tag_column=4).rows] == [
        (["x"] * 2, ["VB"] * 2)
    ]


@pytest.mark.parametrize(
    ("text", "place", "code", "message"),
    [
        ("a O\nb\nc O\n\nd O\n", "rows.conll:2", "ragged_row", "the line has 1 column, but the file has 2"),
        ("a O\n# b c\n\nd O\n", "rows.conll:2", "ragged_row", "3 columns"),
        ("a\tO\n\tO\n", "rows.conll:2", "empty_word", "word 2 is empty"),
        ("a O\n\xa0 O\n", "rows.conll:2", "empty_word", "word 2 is only white space"),
        ("a\tO\nb\t\nc\tO\n", "rows.conll:2", "missing_tag", "word 2 has no tag"),
        ("a O\nb I-x\n\nc B-x\n\nd B-x\n", "rows.conll:1", "invalid_tags", "I-x of word 2 cannot stand after O"),
    ],
)
def test_faults_name_their_line(read, text, place, code, message):
    issues = [(row.place, row.fault) for row in read(text).rows if row.fault]
    assert [(where, fault.code) for where, fault in issues] == [(place, code)]
    assert message in issues[0][1].message
    assert issues[0][1].cure


def test_an_undecodable_byte_names_its_line(read):
    rows = list(read("a O\nbé O\n\nc O\n".encode("cp1252"), encoding="utf-8").rows)
    assert (rows[0].place, rows[0].fault.code) == ("rows.conll:2", "undecodable_bytes")
    assert rows[1].label == ["O"]
    source = read("a O\nbéé O\n\nc O\n".encode("cp1252"))
    assert [finding.code for finding in source.findings] == ["encoding_guessed", "tag_scheme"]


def test_numbers_need_names(read):
    text = "Ada 1\nran 0\n"
    assert [row.fault for row in read(text).rows] == [None]
    source = read(text, tag_names=["O", "B-person"])
    assert [row.label for row in source.rows] == [["B-person", "O"]]


def test_files_without_tags_or_sentences(read):
    with pytest.raises(DataError, match="its lines have one column, so no tags"):
        read("Ada\nran\n")
    with pytest.raises(DataError, match="the file has no sentences"):
        read("\n\n")
