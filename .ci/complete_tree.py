"""Complete an exported tree for the build of VERSION: .ci/complete_tree.py TREE VERSION.

`pyproject.toml` then includes the SBOM, a file that does not exist in the repository. The links of
README lead to the files at the tag of the version: the index shows README without these files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

WHEEL, SDIST = "[tool.hatch.build.targets.wheel]\n", "[tool.hatch.build.targets.sdist]\ninclude = ["
LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")


def with_sbom(project: str) -> str:
    """Return the text of `pyproject.toml` with the SBOM in the wheel and in the sdist."""
    for place in (WHEEL, SDIST):
        if project.count(place) != 1:
            raise ValueError(f"pyproject.toml must have {place!r} once")
    with_wheel = project.replace(WHEEL, f'{WHEEL}sbom-files = ["sbom.cdx.json"]\n')
    return with_wheel.replace(SDIST, f'{SDIST}"sbom.cdx.json", ')


def with_absolute_links(readme: str, file_url: str, ref: str) -> str:
    """Return *readme* with absolute links, made from the pattern *file_url*."""
    return LINK.sub(lambda link: f"]({file_url.format(ref=ref, path=link[1])})", readme)


def main(tree: Path, version: str) -> None:
    """Change the two files in *tree*."""
    project, readme = tree / "pyproject.toml", tree / "README.md"
    text = project.read_text(encoding="utf-8")
    project.write_text(with_sbom(text), encoding="utf-8")
    file_url = tomllib.loads(text)["tool"]["ev-energy"]["file-url"]
    linked = with_absolute_links(readme.read_text(encoding="utf-8"), file_url, f"v{version}")
    readme.write_text(linked, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
