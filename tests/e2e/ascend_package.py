"""A package laid out as the guide's, small and made up; its install.sh really clones and installs."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

SOURCES = ("Megatron-LM", "MindSpeed", "ModelLink")
URL = "https://git.invalid/ascend"

# the shape of the guide's: packages by pip, three repositories by git, into the code's folder
INSTALL = (
    "#!/bin/sh\nset -e\necho installing >&2\necho run >>../../installs\n"
    + "".join(f"[ -d {name} ] || git clone -q {URL}/{name}.git {name}\n" for name in SOURCES)
    + 'echo "$PIP_NO_INDEX $PIP_FIND_LINKS" >pip-settings\n'
)


def llm_package(version: str = "6.3.907", **changed: str) -> bytes:
    """AscendCloud-LLM-….zip. `changed`: other texts for files, `__` for `/` and `_dot_` for a dot."""
    files = {
        "llm_train/AscendSpeed/ascendcloud_patch/patch.py": f"VERSION = {version!r}\n",
        "llm_train/AscendSpeed/scripts/install.sh": INSTALL,
        "llm_train/AscendSpeed/scripts/dev_pipeline.sh": "#!/bin/sh\n",
        "llm_train/AscendSpeed/scripts/llama2/0_pl_pretrain_70b.sh": (
            f"#!/bin/sh\nexport SN=1200 # {version}\n"
        ),
        "llm_train/AscendSpeed/scripts/qwen/0_pl_sft_7b.sh": "#!/bin/sh\n",
        "llm_inference/readme.txt": "inference\n",
    }
    files |= {name.replace("__", "/").replace("_dot_", "."): text for name, text in changed.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"AscendCloud-LLM/{name}", text)
    return buffer.getvalue()


def whole_package(path: Path, version: str = "6.3.907") -> Path:
    """AscendCloud-….zip: the LLM package and the operators' beside it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"AscendCloud-LLM-{version}-x.zip", llm_package(version))
        archive.writestr(f"AscendCloud-OPP-{version}-x.zip", b"operators")
    return path


def bundle(folder: Path) -> Path:
    """Mirrors of the three repositories and a wheel's folder, as for nodes without a network."""
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "thing-1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (folder / "git").mkdir()
    for name in SOURCES:
        work = folder.parent / f"work-{name}"
        git(["init", "-q", str(work)])
        (work / "code.py").write_text(f"NAME = {name!r}\n")
        git(["-C", str(work), "add", "."])
        git(["-C", str(work), "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qm", "one"])
        mirror = folder / "git" / f"{name}.git"
        git(["clone", "-q", "--mirror", str(work), str(mirror)])
        git(["-C", str(mirror), "config", "remote.origin.url", f"{URL}/{name}.git"])
    return folder


def git(words: list[str]) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)
