"""Tables of texts: formats, separators, encodings, columns, splits, and every problem of a row.

Covers: plugins/data/tabular/column_names.py, plugins/data/tabular/columns.py, plugins/data/tabular/delimited.py,
plugins/data/tabular/faults.py, plugins/data/tabular/formats.py,
plugins/data/tabular/part.py, plugins/data/tabular/row_store.py, plugins/data/tabular/rows.py
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.contracts.splits import Splits
from core.data.files import row_store
from core.errors import DataError
from core.tasks.task import Task
from plugins.data.adapters.text import Table

ROWS = [
    (f"a good thing, number {n}", "positive") if n % 2 else (f"a bad thing, number {n}", "negative") for n in range(40)
]


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


def as_csv(rows=ROWS, header: str = "text,label\n") -> str:
    return header + "".join(f'"{text}",{label}\n' for text, label in rows)


def load(target: str = "single", seed: int = 0, labels: list[str] | None = None, **options) -> Splits:
    return Table(**options).load(Task(target=target, labels=labels), seed)


def everything(splits: Splits) -> list:
    return sorted([*splits.train, *splits.val, *splits.test], key=lambda example: int(example.place.rpartition(":")[2]))


def problem(**options) -> str:
    with pytest.raises(DataError) as error:
        load(**options)
    return str(error.value)


def test_a_csv_file_with_a_header(tmp_path):
    splits = load(path=write(tmp_path / "r.csv", as_csv()))
    assert splits.labels == ("negative", "positive")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [28, 4, 8]
    first = everything(splits)[0]
    assert (first.text, first.target, first.place) == ("a bad thing, number 0", 0, "r.csv:2")
    assert "comma-separated, with a header; text from 'text', label from 'label'" in splits.description


def test_a_csv_file_without_a_header(tmp_path):
    splits = load(path=write(tmp_path / "r.csv", as_csv(header="")))
    assert len(everything(splits)) == 40
    assert "without a header" in splits.description


def test_a_tsv_file_without_a_header_and_with_stray_quotes(tmp_path):
    lines = [f"\"it's number {n}, he said\t{n % 2}" for n in range(30)]
    splits = load(path=write(tmp_path / "r.tsv", "\n".join(lines)), label_names={"0": "negative", "1": "positive"})
    assert splits.labels == ("negative", "positive")
    assert everything(splits)[3].text == "\"it's number 3, he said"
    assert everything(splits)[3].place == "r.tsv:4"


def test_quoted_tsv(tmp_path):
    lines = ['"text"\t"label"', *(f'"say ""{n}"""\t"{"ab"[n % 2]}"' for n in range(30))]
    assert everything(load(path=write(tmp_path / "r.tsv", "\n".join(lines))))[0].text == 'say "0"'


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_the_separator_is_detected(tmp_path, separator):
    text = "".join(f"this, or that {n}{separator}{'ab'[n % 2]}\n" for n in range(30))
    assert everything(load(path=write(tmp_path / "r.csv", text)))[5].text == "this, or that 5"


def test_columns_by_name_in_any_case_and_by_position(tmp_path):
    text = "id,Review,stars,verdict\n" + "".join(f"{n},nice {n},5,{'ab'[n % 2]}\n" for n in range(30))
    path = write(tmp_path / "r.csv", text)
    by_name = load(path=path, text="review", label="verdict")
    by_position = load(path=path, text="1", label="3")
    assert by_name.labels == by_position.labels == ("a", "b")
    assert by_name.fingerprint == by_position.fingerprint
    assert "text from 'Review', label from 'verdict'" in by_name.description.replace("review", "Review")


def test_a_column_that_does_not_exist_offers_the_nearest(tmp_path):
    message = problem(path=write(tmp_path / "r.csv", as_csv()), label="lable")
    assert "data.label: in r.csv there is no column 'lable'" in message
    assert "Did you mean 'label'?" in message


def test_ambiguous_columns_are_shown_with_their_values(tmp_path):
    text = "one,two,three\n" + "x1,y1,z1\nx2,y2,z2\n"
    message = problem(path=write(tmp_path / "r.csv", text))
    assert "cannot tell which column holds the text and which the label" in message
    assert "two ('y1')" in message
    assert "data.text=NAME and data.label=NAME" in message


def test_a_missing_file_offers_the_nearest(tmp_path):
    write(tmp_path / "reviews.csv", as_csv())
    message = problem(path=str(tmp_path / "review.csv"))
    assert "there is no file or folder" in message
    assert "reviews.csv" in message.partition("Did you mean")[2]


@pytest.mark.parametrize("text", ["", "\n\n", "text,label\n"])
def test_an_empty_file(tmp_path, text):
    assert "r.csv: the file" in problem(path=write(tmp_path / "r.csv", text))


def test_one_class_only(tmp_path):
    rows = [(text, "positive") for text, _ in ROWS]
    assert "every example has the label 'positive'" in problem(path=write(tmp_path / "r.csv", as_csv(rows)))


def test_a_label_in_test_that_train_lacks(tmp_path):
    write(tmp_path / "train.csv", as_csv())
    write(tmp_path / "test.csv", as_csv([("neither", "neutral"), *ROWS[:4]]))
    message = problem(path=str(tmp_path))
    assert "test.csv:2: the label 'neutral' is in the test split but not in the training split" in message


def test_ragged_rows_are_named(tmp_path):
    text = as_csv() + "unquoted, with a comma,positive\nalone\n"
    message = problem(path=write(tmp_path / "r.csv", text))
    assert "r.csv:42: the row has 3 columns but the file has 2 (2 such rows: r.csv:42, r.csv:43)" in message
    splits = load(path=str(tmp_path / "r.csv"), on_bad_row="skip")
    (found,) = [finding for finding in splits.findings if finding.code == "ragged_row"]
    assert (found.count, found.places, found.level) == (2, ("r.csv:42", "r.csv:43"), "warning")


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path):
    message = problem(path=write(tmp_path / "r.csv", as_csv() + '"open,positive\n' + "more,negative\n" * 3))
    assert "r.csv:42: the row has broken quotes" in message
    assert "data.quoting=none" in message


def test_rows_of_several_lines_are_named_by_their_first(tmp_path):
    splits = load(path=write(tmp_path / "r.csv", 'text,label\n"one\ntwo",a\n' + as_csv(header="")))
    assert [example.place for example in everything(splits)][:2] == ["r.csv:2", "r.csv:4"]
    assert everything(splits)[0].text == "one\ntwo"


def test_missing_labels_and_empty_texts_are_reported_together(tmp_path):
    message = problem(path=write(tmp_path / "r.csv", as_csv() + "fine,NaN\nalso fine,\n   ,positive\n"))
    assert "r.csv:42: the label is NaN" in message
    assert "r.csv:43: the label is missing" in message
    assert "r.csv:44: the text is empty" in message


def test_bytes_of_a_western_encoding_are_detected_and_reported(tmp_path):
    rows = [(f"{text} – très “bon” café", label) for text, label in ROWS]
    splits = load(path=write(tmp_path / "r.csv", as_csv(rows), "cp1252"))
    assert everything(splits)[0].text.endswith("très “bon” café")
    (found,) = [finding for finding in splits.findings if finding.code == "encoding_guessed"]
    assert "cp1252" in found.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_decide(tmp_path, encoding):
    splits = load(path=write(tmp_path / "r.csv", as_csv([(f"{text} 好", label) for text, label in ROWS]), encoding))
    assert everything(splits)[0].text.endswith("好")
    assert "label from 'label'" in splits.description


def test_cyrillic_bytes_are_detected(tmp_path):
    rows = [(f"очень хороший товар, всем советую, номер {n}", "ab"[n % 2]) for n in range(30)]
    splits = load(path=write(tmp_path / "r.csv", as_csv(rows), "cp1251"))
    assert everything(splits)[0].text == rows[0][0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_declared_encoding_is_enforced(tmp_path, suffix):
    rows = [*ROWS, ("un café", "positive")]
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
    text = as_csv(rows) if suffix == "csv" else "\n".join(lines)
    path = write(tmp_path / f"r.{suffix}", text, "latin-1")
    message = problem(path=path, encoding="utf-8")
    assert f"r.{suffix}:{42 if suffix == 'csv' else 41}: the byte 0xE9 is not valid utf-8" in message
    assert "data.encoding" in message
    assert everything(load(path=path, encoding="latin-1"))[-1].text == "un café"


def test_an_unknown_encoding_offers_the_nearest(tmp_path):
    assert "Did you mean 'latin-1'?" in problem(path=write(tmp_path / "r.csv", as_csv()), encoding="latin_one")


def test_a_text_of_any_length_is_kept(tmp_path):
    rows = [*ROWS, ("long " * 100_000, "positive")]
    assert len(everything(load(path=write(tmp_path / "r.csv", as_csv(rows))))[-1].text) == 500_000


def test_duplicates_across_given_splits_are_reported_and_not_moved(tmp_path):
    write(tmp_path / "train.csv", as_csv())
    test = write(tmp_path / "held.csv", as_csv([*ROWS[:2], ("new one", "positive"), ("new two", "negative")]))
    splits = load(train=str(tmp_path / "train.csv"), test=test)
    (leak,) = [finding for finding in splits.findings if finding.code == "duplicates_across_splits"]
    assert leak.count == 2
    assert leak.places == ("held.csv:2 = train.csv:2", "held.csv:3 = train.csv:3")
    assert len(splits.test) == 4


def test_a_split_column(tmp_path):
    names = ["train", "train", "train", "dev", "Test"]
    text = "text,label,part\n" + "".join(f"t{n},{'ab'[n % 2]},{names[n % 5]}\n" for n in range(50))
    splits = load(path=write(tmp_path / "r.csv", text), split="part")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [30, 10, 10]
    assert "split as in the source" in splits.description
    message = problem(path=write(tmp_path / "s.csv", text + "x,a,holdout\n"), split="part")
    assert "s.csv:52: 'holdout' is not the name of a split" in message


def test_a_folder_of_split_files_and_a_glob_of_others(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.csv", as_csv([(f"{name} {text}", label) for text, label in ROWS]))
    splits = load(path=str(tmp_path))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [40, 40, 40]
    assert splits.val[0].place == "dev.csv:2"
    assert len(load(path=str(tmp_path / "t*.csv")).val) == 4
    write(tmp_path / "notes.csv", as_csv())
    assert "named after a split and others are not: notes.csv" in problem(path=str(tmp_path))
    assert "no file matches" in problem(path=str(tmp_path / "*.tsv"))


def test_files_of_several_formats_are_read_as_one(tmp_path):
    write(tmp_path / "a.csv", as_csv(ROWS[:20]))
    write(tmp_path / "b.jsonl", "".join(json.dumps({"label": n, "text": t}) + "\n" for t, n in ROWS[20:]))
    splits = load(path=str(tmp_path))
    assert Counter(e.place.partition(":")[0] for e in everything(splits)) == {"a.csv": 20, "b.jsonl": 20}


def test_json_lines(tmp_path):
    rows = [json.dumps({"review": t, "stars": n % 3}) for n, (t, _) in enumerate(ROWS)]
    splits = load(path=write(tmp_path / "r.jsonl", "\n".join(rows)))
    assert splits.labels == ("0", "1", "2")
    assert everything(splits)[4].place == "r.jsonl:5"
    message = problem(path=write(tmp_path / "r.jsonl", "\n".join([*rows, "{'text':", '["a"]', '{"stars": 1}', ""])))
    assert "r.jsonl:41: the line is not JSON" in message
    assert "r.jsonl:43: the text is missing" in message
    assert "not one object per line" in problem(path=write(tmp_path / "a.json", "[{}]"))


def test_parquet(tmp_path):
    table = pa.table({"sentence": [t for t, _ in ROWS], "label": pa.array([n % 2 for n in range(39)] + [None])})
    parquet.write_table(table, tmp_path / "r.parquet", row_group_size=7)
    assert "r.parquet:40: the label is missing" in problem(path=str(tmp_path / "r.parquet"))
    splits = load(path=str(tmp_path / "r.parquet"), on_bad_row="skip")
    assert (everything(splits)[-1].place, splits.labels) == ("r.parquet:39", ("0", "1"))
    assert "not a Parquet file" in problem(path=write(tmp_path / "x.parquet", "no"))


def test_several_labels_in_a_cell_a_list_or_columns(tmp_path):
    sets = [["a"], ["a", "b"], [], ["c", "a"]]
    csv = "text,labels\n" + "".join(f"t{n},{'|'.join(sets[n % 4])}\n" for n in range(40))
    lists = "".join(json.dumps({"text": f"t{n}", "labels": sets[n % 4]}) + "\n" for n in range(40))
    flags = "text,a,b,c\n" + "".join(
        f"t{n}," + ",".join(str(int(k in sets[n % 4])) for k in "abc") + "\n" for n in range(40)
    )
    found = [
        load("multi", path=write(tmp_path / "r.csv", csv)),
        load("multi", path=write(tmp_path / "r.jsonl", lists)),
        load("multi", path=write(tmp_path / "f.csv", flags), label_columns=["a", "b", "c"]),
    ]
    for splits in found:
        assert splits.labels == ("a", "b", "c")
        assert {e.text: e.target for e in everything(splits)} == {
            f"t{n}": tuple(sorted("abc".index(k) for k in sets[n % 4])) for n in range(40)
        }
    message = problem(
        target="multi", path=write(tmp_path / "f.csv", flags + "t,1,0,2\n"), label_columns=["a", "b", "c"]
    )
    assert "f.csv:42: the column 'c' contains '2'" in message


def test_pairs(tmp_path):
    text = "premise,hypothesis,label\n" + "".join(f"p{n},h{n},{'ab'[n % 2]}\n" for n in range(30))
    first = everything(load(path=write(tmp_path / "r.csv", text)))[0]
    assert (first.text, first.pair) == ("p0", "h0")
    text = text.replace("premise,hypothesis", "x,y")
    first = everything(load(path=write(tmp_path / "r.csv", text), text="y", pair="x"))[0]
    assert (first.text, first.pair) == ("h0", "p0")


def test_values(tmp_path):
    text = "text,score\n" + "".join(f"t{n},{n / 7}\n" for n in range(50))
    splits = load("regression", path=write(tmp_path / "r.csv", text))
    assert everything(splits)[10].target == 10 / 7
    assert "r.csv:52: the label 'high' is not a number" in problem(
        target="regression", path=write(tmp_path / "r.csv", text + "x,high\n")
    )


def test_groups_are_not_torn_apart(tmp_path):
    text = "text,label,author\n" + "".join(f"t{n},{'ab'[n % 2]},w{n % 17}\n" for n in range(170))
    splits = load(path=write(tmp_path / "r.csv", text), group="author")
    sides = [{int(e.text[1:]) % 17 for e in each} for each in (splits.train, splits.val, splits.test)]
    assert sum(map(len, sides)) == 17


def test_large_sources_are_memory_mapped_from_the_cache(tmp_path, monkeypatch):
    path = write(tmp_path / "r.csv", as_csv() + "bad\n")
    small = load(path=path, on_bad_row="skip")
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 0)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    large = load(path=path, on_bad_row="skip")
    (stored,) = (tmp_path / "cache" / "tables").iterdir()
    before = stored.stat().st_mtime_ns
    again = load(path=path, on_bad_row="skip")
    assert stored.stat().st_mtime_ns == before
    assert small.fingerprint == large.fingerprint == again.fingerprint
    assert small.findings == again.findings
    assert list(small.train) == list(large.train) == list(again.train)


def test_a_cache_that_cannot_be_written_is_one_clear_message(tmp_path, monkeypatch):
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 0)
    monkeypatch.setenv("GRAFT_CACHE", write(tmp_path / "a_file", ""))
    message = problem(path=write(tmp_path / "r.csv", as_csv()))
    assert "the cache cannot be written" in message
    assert "GRAFT_CACHE" in message


def test_small_sources_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    load(path=write(tmp_path / "r.csv", as_csv()))
    assert not (tmp_path / "cache").exists()


def test_the_fingerprint_changes_with_the_bytes(tmp_path):
    one = load(path=write(tmp_path / "r.csv", as_csv())).fingerprint
    assert one != load(path=write(tmp_path / "r.csv", as_csv().replace("number 3", "number  3"))).fingerprint


def test_unlabelled_texts(tmp_path):
    table, task = Table(), Task()
    write(tmp_path / "r.csv", "id,text\n1,one\n2,two\n")
    assert [e.text for e in table.unlabelled(task, tmp_path / "r.csv")] == ["one", "two"]
    write(tmp_path / "r.txt", "one\n\ntwo\n")
    assert [(e.text, e.place) for e in table.unlabelled(task, tmp_path / "r.txt")] == [
        ("one", "r.txt:1"),
        ("two", "r.txt:3"),
    ]
    write(tmp_path / "r.csv", as_csv())
    assert len(table.unlabelled(task, tmp_path / "r.csv")) == 40
    write(tmp_path / "r.csv", "text\none\n   \n")
    with pytest.raises(DataError, match=r"r.csv:3: the text is empty"):
        table.unlabelled(task, tmp_path / "r.csv")


def test_an_unused_label_name_is_refused(tmp_path):
    message = problem(path=write(tmp_path / "r.csv", as_csv()), label_names={"pos": "good"})
    assert "data.label_names: no row has the label pos" in message


def test_files_that_are_not_text_and_encodings_that_do_not_fit(tmp_path):
    (tmp_path / "r.csv").write_bytes(bytes(range(256)) * 9)
    assert "it is not a text file" in problem(path=str(tmp_path / "r.csv"))
    path = write(tmp_path / "r.csv", as_csv())
    assert "cannot be read as utf-16" in problem(path=path, encoding="utf-16")
    assert "there is no encoding 'base64'" in problem(path=path, encoding="base64")
    path = write(tmp_path / "r.jsonl", '{"text": "a\\ud800b", "label": "x"}\n')
    assert "r.jsonl:1: the line escapes half of a surrogate pair" in problem(path=path)


def test_examples_of_any_batch_are_fetched_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(row_store, "_BATCH", 7)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    train = load(path=write(tmp_path / "r.csv", as_csv())).train
    assert [train[number] for number in range(len(train))] == list(train)
    assert [int(example.text.split()[-1]) + 2 for example in train] == [int(e.place[6:]) for e in train]
