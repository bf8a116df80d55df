"""A bundle for nodes without a network: wheels and mirrors of the sources that install.sh would fetch.

BUNDLE/wheels/*.whl …       what `pip download` puts there
BUNDLE/git/NAME.git         what `git clone --mirror URL` makes; the URL that it came from is in its config
"""

from __future__ import annotations

import re
from pathlib import Path

from backend.problems import InputError
from backend.translation import _

_SECTION = re.compile(r"\s*\[(.+)\]\s*$")
_URL = re.compile(r"\s*url\s*=\s*(\S+)\s*$")


def bundle_environment(bundle: str, there: str) -> tuple[tuple[str, str], ...]:
    """Variables that make pip and git take everything from the bundle, which stands at `there` on the node.

    install.sh itself stays as it is. Raises `InputError` for a folder that is no such bundle.
    """
    folder = Path(bundle)
    wheels = sorted((folder / "wheels").glob("*")) if (folder / "wheels").is_dir() else []
    mirrors = sorted((folder / "git").glob("*.git")) if (folder / "git").is_dir() else []
    if not wheels and not mirrors:
        raise InputError.because(
            _("{path} is no bundle").format(path=bundle),
            _("it has neither wheels/ nor git/*.git"),
            _("fill them with `pip download -d wheels …` and `git clone --mirror URL git/NAME.git`"),
            field="--bundle",
        )
    variables: list[tuple[str, str]] = []
    if wheels:
        variables += [("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", f"{there}/wheels")]
    # the bundle may belong to another user than the one who installs
    settings = [("safe.directory", "*")] if mirrors else []
    for mirror in mirrors:
        url = _origin(mirror)
        for spelling in dict.fromkeys([url, url.removesuffix(".git"), f"{url.removesuffix('.git')}.git"]):
            settings.append((f"url.{there}/git/{mirror.name}.insteadOf", spelling))
    if settings:
        variables.append(("GIT_CONFIG_COUNT", str(len(settings))))
    for number, (key, value) in enumerate(settings):
        variables += [(f"GIT_CONFIG_KEY_{number}", key), (f"GIT_CONFIG_VALUE_{number}", value)]
    return tuple(variables)


def _origin(mirror: Path) -> str:
    section = ""
    try:
        lines = (mirror / "config").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.because(
            _("{path} is no git mirror").format(path=mirror), str(error), field="--bundle"
        ) from error
    for line in lines:
        if match := _SECTION.match(line):
            section = match[1].replace(" ", "").lower()
        elif section == 'remote"origin"' and (match := _URL.match(line)):
            return match[1]
    raise InputError.because(
        _("{path} does not say where it was cloned from").format(path=mirror),
        fix=_("make it with `git clone --mirror URL`"),
        field="--bundle",
    )
