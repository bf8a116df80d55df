"""What a demo node's `hccn_tool -i N -KIND -g` prints, in the real tool's form. Standard library alone."""

from __future__ import annotations


def hccn_text(kind: str, number: int, *, link_up: bool) -> str | None:
    """None for a kind that this simulator does not know."""
    if kind == "link":
        return f"link status: {'UP' if link_up else 'DOWN'}\n"
    if kind == "net_health":
        return f"net health status: {'Success' if link_up else 'Detect ip set'}\n"
    if kind == "ip":
        return f"ipaddr:192.168.1{number}.1\nnetmask:255.255.255.0\n"
    if kind == "optical":
        return _optical(0.71 if link_up else 0.0, link_up=link_up)
    if kind == "fec":
        return "fec mode: rs FEC mode\n"
    return None


def _optical(rx_mw: float, *, link_up: bool) -> str:
    lines = [
        "optical info:",
        "present              : present",
        "temperature          : 42 C",
        "Temp High Thres      : 70 C",
        "Temp Low Thres       : 0 C",
        "Tx Power High Thres  : 3.5481 mW",
        "Tx Power Low Thres   : 0.1585 mW",
        "Rx Power High Thres  : 3.5481 mW",
        "Rx Power Low Thres   : 0.0631 mW",
    ]
    lines += [f"Tx Power{lane}            : 0.9124 mW" for lane in range(4)]
    lines += [f"Rx Power{lane}            : {rx_mw + 0.01 * lane * link_up:.4f} mW" for lane in range(4)]
    lines.append(f"Rx Los Flag          : {'0x0' if link_up else '0xf'}")
    return "\n".join(lines) + "\n"
