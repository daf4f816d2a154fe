"""The Python blocks of the documentation run, one after the other within a page."""

import pathlib
import re

import pytest

import rnnc

HERE = pathlib.Path(__file__).resolve().parent
#: Of a checkout, or copied beside the tests.
PAGES = {"README.md": [HERE.parents[2] / "README.md", HERE.parent / "docs/README.md"],
         "python.md": [HERE.parents[2] / "docs/python.md", HERE.parent / "docs/python.md"]}  # fmt: skip


@pytest.mark.parametrize("page", ["python.md"])
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    found = [it for it in PAGES[page] if it.exists()]
    if not found:
        pytest.skip("the pages are not here")
    leaky = re.search(r"```rnn\n(.*?)```", next(it for it in PAGES["README.md"] if it.exists()).read_text(), re.S).group(1)
    (tmp_path / "leaky.rnn").write_text(leaky)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", found[0].read_text(), re.S)
    assert blocks
    names = {}
    for block in blocks:
        if "import torch" in block:
            pytest.importorskip("torch", reason="torch is not installed")
        exec(block, names)
    assert rnnc
