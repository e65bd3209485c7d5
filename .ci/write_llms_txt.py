"""Add Markdown for agents to a site that MkDocs or Zensical built: .ci/write_llms_txt.py SITE.

It writes `llms.txt` (see llmstxt.org), with a line for each page, and each page as Markdown beside
its folder: `errors.md` for `errors/`. That is the source of the page with bold labels in place of
tabs, or, if mkdocstrings writes a part of the page, what it wrote. Zensical has no plugins, so this
is a script.
"""

from __future__ import annotations

import posixpath
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from bs4 import BeautifulSoup
from markdownify import markdownify

ROOT = Path(__file__).parents[1]
NOTES = """\
These are the pages of {url} as Markdown. The reference has all public names with their types. The
installed package has a skill for coding agents: `ev_energy/.agents/skills/ev-energy/SKILL.md`.
"""
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)[^)]*\)")
TAB = re.compile(r'^=== "(?P<label>.+)"\n(?P<body>(?:(?: {4}.*)?\n)*)', re.MULTILINE)
CODE = re.compile(r"^( *)```.*?^\1```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def pages_of(nav: list[Any], *headings: str) -> Iterator[tuple[str, str]]:
    """Yield section and path of each page of *nav*.

    Pages of no section are "Optional", which llmstxt.org says may be skipped.
    """
    for entry in nav:
        title, value = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        if isinstance(value, list):
            yield from pages_of(value, *headings, title)
        else:
            yield ": ".join(headings) or title or "Optional", value


def markdown_of(path: str, source: str, site: Path) -> str:
    """Return a page as Markdown."""
    if not re.search("^::: ", source, re.MULTILINE):
        return without_tabs(source)
    built = site / folder_of(path) / "index.html"
    soup = BeautifulSoup(built.read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    for link in article.select("a.headerlink"):
        link.decompose()
    for link in article.select("a[href]"):
        link["href"] = as_markdown(link["href"], path)
        link.attrs.pop("title", None)
    for text in [text for cell in article.select("td") for text in cell.find_all(string=True)]:
        text.replace_with(text.replace("|", r"\|"))  # as in `int | None`
    text = markdownify(str(article), heading_style="ATX", code_language="python")
    return re.sub(r"[ \t]+$|(?<=\n)\n+(?=\n)", "", text, flags=re.MULTILINE).strip() + "\n"


def without_tabs(source: str) -> str:
    """Return *source* with a label in place of each tab, whose indented fences are code elsewhere.

    MkDocs and Zensical alone know tabs; see pymdownx.tabbed.
    """
    return TAB.sub(lambda tab: f"**{tab['label']}**\n{textwrap.dedent(tab['body'])}", source)


def folder_of(path: str) -> str:
    """Return the folder that a page is built in."""
    return path.removesuffix("index.md").removesuffix(".md")


def as_markdown(link: str, path: str) -> str:
    """Return a link of the built page *path*, to the Markdown if it leads to a page of the site."""
    target, _, anchor = link.partition("#")
    if not target or ":" in target:
        return link
    folder = posixpath.normpath(posixpath.join(folder_of(path), target))
    is_page = (ROOT / "docs" / f"{folder}.md").is_file()
    page = f"{folder}.md" if is_page else posixpath.join(folder, "index.md")
    relative = posixpath.relpath(page, posixpath.dirname(path) or ".")
    return f"{relative}#{anchor}" if anchor else relative


def line_of(path: str, source: str, url: str) -> str:
    """Return the line of a page: its title, and the first sentence if it begins with prose."""
    (title,) = re.findall("^# (.+)$", CODE.sub("", source), re.MULTILINE)
    blocks = source.partition(f"# {title}\n")[2].strip().split("\n\n")
    first = " ".join(next(block for block in blocks if not block.startswith("## ")).split())
    about = ""
    if not first.startswith(("```", "|", "-", "!", ":::", "<")):
        about = re.split(r"(?<=[.?!])\s", LINK.sub(r"\g<text>", first))[0].rstrip(":")
    return f"- [{title}]({url}{path})" + (f": {about}\n" if about else "\n")


def dead_links(path: str, text: str, site: Path) -> Iterator[str]:
    """Yield the relative links of a page that lead to no file of the site."""
    for link in LINK.finditer(CODE.sub("", text)):
        target = link["target"].partition("#")[0]
        if target and ":" not in target and not (site / path).parent.joinpath(target).is_file():
            yield f"{path}: {link['target']}"


def main(site: Path) -> int:
    """Write the files into the folder *site*; return 1 if a link leads nowhere."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    name, about, url = (config[f"site_{key}"] for key in ("name", "description", "url"))
    index = f"# {name}\n\n> {about}.\n\n{NOTES.format(url=url)}"
    texts, last = {}, ""
    for section, path in pages_of(config["nav"]):
        source = (ROOT / "docs" / path).read_text(encoding="utf-8")
        index += ("" if section == last else f"\n## {section}\n\n") + line_of(path, source, url)
        last = section
        texts[path] = markdown_of(path, source, site)
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(texts[path], encoding="utf-8")
    (site / "llms.txt").write_text(index, encoding="utf-8")
    dead = [link for path, text in texts.items() for link in dead_links(path, text, site)]
    print(f"{len(texts)} pages as Markdown", *(f"a dead link in {link}" for link in dead), sep="\n")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
