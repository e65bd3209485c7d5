"""The Markdown that `.ci/write_llms_txt.py` adds to a built site: an index, and each page."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.helpers.pages import ROOT

pytestmark = pytest.mark.slow  # each test writes all pages

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
NAV = re.findall(r"[\w/]+\.md", str(CONFIG["nav"]))
BUILT = """\
<nav><a href="..">a menu</a></nav>
<article>
<h1>Errors<a class="headerlink" href="#errors" title="Permanent link">¶</a></h1>
<p>See <a href="../../errors/#outcomes" title="a tip">the guide</a>,
<a href="../../recipes/">recipes</a>, <a href="../..">overview</a>,
<a href="../client/#ev_energy.Client"><code>Client</code></a>
and <a href="https://example.com/a/">others</a>.</p>
<pre><code>TokenError.of(
    status: int
) -> TokenError
</code></pre>
<table><tr><th>Name</th><th>Type</th></tr>
<tr><td><code>page</code></td><td><code>int | None</code></td></tr></table>
</article>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site as MkDocs and Zensical build it, of which only the reference is read."""
    for path in NAV:
        folder = tmp_path / path.removesuffix("index.md").removesuffix(".md")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(BUILT)
    for asset in (ROOT / "docs").rglob("*"):
        if asset.is_file() and asset.suffix != ".md":
            target = tmp_path / asset.relative_to(ROOT / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(asset.read_bytes())
    return tmp_path


@pytest.fixture
def write(site: Path) -> Callable[[], int]:
    """Write the files, and return the exit status."""
    pytest.importorskip("markdownify", reason="needs markdownify: pip install -e '.[test]'")
    main = runpy.run_path(str(ROOT / ".ci" / "write_llms_txt.py"))["main"]
    return lambda: main(site)


def test_index_has_the_form_of_llmstxt_org(site: Path, write: Callable[[], int]) -> None:
    assert write() == 0
    head, *sections = re.split(r"^## ", (site / "llms.txt").read_text(), flags=re.MULTILINE)
    assert re.match(r"# ev-energy\n\n> .+\n\n", head)
    for section in sections:
        title, _, lines = section.partition("\n\n")
        assert title
        for line in lines.strip().splitlines():
            assert re.fullmatch(r"- \[[^\]]+\]\(https://\S+\.md\)(: .+[^:])?", line)


def test_every_page_has_a_line_and_is_there_as_markdown(
    site: Path, write: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert write() == 0
    listed = re.findall(r"\((\S+)\)", (site / "llms.txt").read_text())
    assert listed == [CONFIG["site_url"] + path for path in NAV]
    for path in NAV:
        source = (ROOT / "docs" / path).read_text()
        text = (site / path).read_text()
        assert text == source or "\n::: " in source or '\n=== "' in source
    assert capsys.readouterr().out == f"{len(NAV)} pages as Markdown\n"


def test_tabs_become_labels(site: Path, write: Callable[[], int]) -> None:
    write()
    start = (site / "start.md").read_text()
    assert (
        """
## 3. List vehicles

**asyncio**

```python title="vehicles.py"
import asyncio

from ev_energy import Client


async def main() -> None:
    async with Client.from_env() as client:
"""
        in start
    )
    assert (
        """
        print(model and model.name, status and status.state_of_charge_percentage, "%")
```

```sh
python vehicles.py
```
"""
        in start
    )
    processes = (site / "recipes" / "processes.md").read_text()
    assert '\n**AWS Lambda**\n\n```python title="handler.py"\n' in processes
    assert "\n\nEach prints the same:\n" in processes
    for path in NAV:
        text = (site / path).read_text()
        assert not re.search(r"^(=== \"|    ```)", text, re.MULTILINE), path
        # Only labels and indentation differ.
        source = (ROOT / "docs" / path).read_text()
        if "\n::: " not in source:
            source = re.sub(r'^=== "(.+)"$', r"**\1**", source, flags=re.MULTILINE)
            assert text.split() == source.split()


def test_line_of_a_page_has_its_first_sentence(site: Path, write: Callable[[], int]) -> None:
    write()
    line = (
        "- [Paging and cursors](https://ev-energy.example/docs/paging.md): "
        "A listing sends no request until it is iterated."
    )
    assert line in (site / "llms.txt").read_text().splitlines()


def test_reference_is_what_mkdocstrings_wrote(site: Path, write: Callable[[], int]) -> None:
    write()
    assert (
        (site / "reference" / "errors.md").read_text()
        == """\
# Errors

See [the guide](../errors.md#outcomes),
[recipes](../recipes/index.md), [overview](../index.md),
[`Client`](client.md#ev_energy.Client)
and [others](https://example.com/a/).

```python
TokenError.of(
    status: int
) -> TokenError
```

| Name | Type |
| --- | --- |
| `page` | `int \\| None` |
"""
    )


def test_dead_link_fails(
    site: Path, write: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    page = site / "reference" / "errors" / "index.html"
    page.write_text(BUILT.replace("../../errors/", "../../nowhere/"))
    assert write() == 1
    dead = "a dead link in reference/errors.md: ../nowhere/index.md#outcomes\n"
    assert capsys.readouterr().out.partition("\n")[2] == dead
