"""Hook of MkDocs: pages that stand outside docs/, and links into the repository.

README.md becomes the start page, config/README.md the page of profiles. A link to another file of the repository
leads to a page that shows the file; a link to nothing ends the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

CHECKOUT = Path(__file__).resolve().parents[1]
# File of the repository → page of the site.
PAGES = {"README.md": "index.md", "config/README.md": "profiles.md", "envs/README.md": "environments.md"}
PAGES |= {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "judges/README.md": "judges.md"}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".smk": "python", ".toml": "toml"}
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand outside docs/, and one for each file that any page links to."""
    for source, page in PAGES.items():
        if (CHECKOUT / source).is_file():
            files.append(File.generated(config, page, content=(CHECKOUT / source).read_text(encoding="utf-8")))
    for page in list(files.documentation_pages()):
        if page.src_uri.endswith(".md"):
            for link in LINK.findall(page.content_string):
                target = _repository_path(page.src_uri, link[1])
                if _is_code(target) and files.get_file_from_path(_code_page(target)) is None:
                    text = (CHECKOUT / target).read_text(encoding="utf-8")
                    language = LANGUAGES.get(Path(target).suffix, "text")
                    content = f"# {target}\n\n`````{language}\n{text}\n`````\n"
                    files.append(File.generated(config, _code_page(target), content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links to files of the repository to their pages; what is folded is Markdown too."""

    def lead(match: re.Match[str]) -> str:
        source = page.file.src_uri
        if "://" in match[2] or source.startswith("code/"):
            return match[0]
        target = _repository_path(source, match[2])
        if target in PAGES:
            goal = PAGES[target]
        elif target.startswith("docs/"):
            goal = target.removeprefix("docs/")
        elif _is_code(target):
            goal = _code_page(target)
        else:
            raise PluginError(f"{source}: the link {match[2]!r} leads to {target!r}, which is not in the repository")
        return match[1] + posixpath.relpath(goal, posixpath.dirname(source) or ".") + match[3]

    return LINK.sub(lead, markdown).replace("<details>", '<details markdown="1">')


def _repository_path(page: str, link: str) -> str:
    """The file of the repository that a link means, as it is written on the page's own place in the repository."""
    home = {there: here for here, there in PAGES.items()}.get(page, f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), link))


def _is_code(target: str) -> bool:
    outside = not target.startswith(("docs/", "..")) and target not in PAGES
    return outside and (CHECKOUT / target).is_file()


def _code_page(target: str) -> str:
    return f"code/{target}.md"
