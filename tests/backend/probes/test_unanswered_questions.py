"""What was asked and not answered is said, with the reason; what a device does not have is not."""

from __future__ import annotations

from backend.probes.probe_plan import FrameHeader
from backend.probes.unanswered import unanswered

LISTED = "npu-smi info -m lists no NPU"
ECC = "HBM Double Bit Error Count : 0\n"
NOT_SUPPORTED = "This device does not support querying hccs.\n"


def frame(
    kind: str, said: str, npu: int | None = 0, chip: int | None = 0, code: int = 0
) -> tuple[FrameHeader, str]:
    return FrameHeader(code, len(said), kind, npu, chip, npu), said


def test_a_kind_that_one_chip_answers_is_answered() -> None:
    frames = [frame("ecc", ECC), frame("ecc", "broken\n", npu=1, code=1)]
    assert unanswered(["ecc"], frames, 2) == {}


def test_a_refusal_of_all_chips_is_said() -> None:
    frames = [frame("ecc", "no rights\n", npu=npu, code=1) for npu in (0, 1)]
    assert unanswered(["ecc"], frames, 2) == {"ecc": "no rights"}


def test_silence_is_said() -> None:
    frames = [frame("health", "", code=124), frame("ecc", "\n", code=1), frame("common", "x\n", code=127)]
    assert unanswered(["health", "ecc", "common"], frames, 1) == {
        "health": "no answer within 5 s",
        "ecc": "nothing was said",
        "common": "npu-smi: not found",
    }


def test_noise_is_not_repeated() -> None:
    noise = bytes(range(256)).decode("utf-8", "replace")
    frames = [frame("ecc", noise, code=1), frame("health", "\t\u4e0d\u652f\u6301\n", code=1)]
    why = {"ecc": "what came is no text", "health": "\u4e0d\u652f\u6301"}
    assert unanswered(["ecc", "health"], frames, 1) == why


def test_a_library_that_is_missing_is_named() -> None:
    said = "npu-smi: error while loading shared libraries: libdcmi.so\n"
    assert unanswered(["ecc"], [frame("ecc", said, code=127)], 1) == {"ecc": said.strip()}


def test_what_no_device_supports_is_not_counted() -> None:
    frames = [frame("hccs", NOT_SUPPORTED, npu=npu) for npu in (0, 1)]
    assert unanswered(["hccs"], frames, 2) == {}


def test_a_tool_that_is_not_there() -> None:
    """The probe asks nothing of it then, and sends no frame."""
    assert unanswered(["ecc", "link", "optical"], [frame("ecc", ECC)], 1) == {
        "link": "hccn_tool: not found",
        "optical": "hccn_tool: not found",
    }


def test_a_generation_is_not_blamed_for_questions_it_does_not_have() -> None:
    """A chip without a number of its own is asked for its link only."""
    frames = [frame("ecc", ECC, chip=None)]
    assert unanswered(["ecc", "link", "tls"], frames, 1) == {"link": "hccn_tool: not found"}
    frames.append(frame("link", "link status: UP\n", chip=None))
    assert unanswered(["ecc", "link", "tls"], frames, 1) == {}


def test_no_chip_was_listed() -> None:
    frames = [frame("host", "x", npu=None, chip=None)]
    assert unanswered(["host", "ecc", "link"], frames, 1) == {"ecc": LISTED, "link": LISTED}
    # a node without NPUs has nothing to be asked
    assert unanswered(["host", "ecc", "link"], frames, 0) == {}


def test_nothing_came_of_what_is_asked_of_the_host() -> None:
    assert unanswered(["host", "ecc"], [frame("ecc", ECC)], 1) == {"host": "no answer came"}
