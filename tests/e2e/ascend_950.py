"""What the tools of a node with eight NPUs of the 950 generation say: no chips, and another hccn_tool.

Layouts: Huawei's references of npu-smi and hccn_tool for Ascend 950.
"""

from __future__ import annotations

_HEAD = """
+-------------------------------------------------------------------------------------------------+
| npu-smi 26.0.0                          Version: 26.0.0                                         |
+---------------------------+---------------+-----------------------------------------------------+
| NPU ID | Name             | Health        | Power(W)    Temp(C)           Hugepages-Usage(page) |
|        |                  | Bus-Id        | NPU Util(%) Memory-Usage(MB)  HBM-Usage(MB)         |
+========+==================+===============+=====================================================+
"""
_NPU = """
| N      | Ascend950        | OK            | 204.4       56                0     / 0             |
|        |                  | 0000:91:00.0  | 0           0    / 0          4439  / 86016         |
+========+==================+===============+=====================================================+
"""
_PROCESSES = """
+---------------------------+---------------+-----------------------------------------------------+
| NPU ID                    | Process id    | Process name             | Process memory(MB)       |
+===========================+===============+=====================================================+
| No running processes found in NPU 0                                                             |
+===========================+===============+=====================================================+
"""
TABLE = "\n".join(
    part.strip() for part in (_HEAD, *(_NPU.replace("N ", f"{npu} ", 1) for npu in range(8)), _PROCESSES)
)
MAPPING = "\n".join(
    [
        "NPU ID          Slot ID          Chip ID          Chip Phy-ID          Chip Name",
        *(f"{npu:<16}{npu:<17}0                {npu:<21}Ascend950" for npu in range(8)),
    ]
)
# a script: the command line of the 910 gets no answer from it
HCCN_TOOL = (
    '[ "$1 $2 $3" = "-g -tls -i" ] || { echo "hccn_tool: invalid option"; exit 1; }\n'
    'echo "dev_id:$4, tls switch[$(cat /etc/test-tls)](0:disable, 1:enable), tls preconfigured[0]"'
)
