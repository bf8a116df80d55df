"""Answers of every kind but the tables, written after the tools' grammar, and what they say, read by hand."""

from __future__ import annotations

from typing import Any

Expected = dict[str, Any]


def answer(kind: str, npu: int | None, chip: int | None, values: Expected, **extra: Any) -> Expected:
    return {"kind": kind, "npu_id": npu, "chip_id": chip, "values": values, "extra": extra}


CASES: dict[str, tuple[str, Expected]] = {
    "health with two codes, the second text on a line of its own": (
        "\tHealth Status                  : Alarm\n"
        "\tError Code                     : 80E18402 8c084e00\n"
        "\tError Information              : rows isolated\n"
        "\n"
        "\t                               : node type=adda, event state=Heartbeat Lost.\n",
        answer(
            "health",
            None,
            None,
            {
                "Health Status": "Alarm",
                "Error Code": ["80E18402", "8C084E00"],
                "Error Information": ["rows isolated", "node type=adda, event state=Heartbeat Lost."],
            },
        ),
    ),
    "health without codes, a text broken in the middle": (
        "Health Status    : OK\nError Code       : NA\n"
        "Error Information: node type=LPM,\n      event state=odd\n",
        answer(
            "health",
            None,
            None,
            {
                "Health Status": "OK",
                "Error Code": [],
                "Error Information": ["node type=LPM, event state=odd"],
            },
        ),
    ),
    "health of a card: each chip closes with its id, the controller with its name": (
        "\tNPU ID                         : 3\n\tChip Count                     : 1\n\n"
        "\tHealth                         : Warning\n\tChip ID                        : 0\n\n"
        "\tHealth                         : OK\n\tChip Name                      : mcu\n",
        answer(
            "health",
            3,
            0,
            {"Chip Count": 1, "Health": "Warning"},
            more=[answer("health", 3, None, {"Health": "OK", "Chip Name": "mcu"})],
        ),
    ),
    "common: the chip's id opens its block": (
        "NPU ID                         : 2\nChip Count                     : 2\n\n"
        "Chip ID                        : 0\nAicore Freq(MHZ)               : 1080\n"
        "Aicore curFreq(MHZ)            : 960\nTemperature(C)                 : 61\n\n"
        "Chip ID                        : 1\nAicore Freq(MHZ)               : 1080\n"
        "Aicore curFreq(MHZ)            : 1080\nTemperature(C)                 : 59\n\n"
        "Chip Name                      : mcu\nTemperature(C)                 : 40\n",
        answer(
            "common",
            2,
            0,
            {
                "Chip Count": 2,
                "Aicore Freq(MHZ)": 1080,
                "Aicore curFreq(MHZ)": 960,
                "Temperature(C)": 61,
            },
            more=[
                answer(
                    "common",
                    2,
                    1,
                    {"Aicore Freq(MHZ)": 1080, "Aicore curFreq(MHZ)": 1080, "Temperature(C)": 59},
                ),
                answer("common", 2, None, {"Chip Name": "mcu", "Temperature(C)": 40}),
            ],
        ),
    ),
    "usages behind a prompt and its echo": (
        "[root@node-7 ~]# npu-smi info -t usages -i 6\n"
        "        HBM Capacity(MB)               : 65536\n        HBM Usage Rate(%)              : 12\n"
        "        Aicore Usage Rate(%)           : 97\n        Chip ID                        : 0\n",
        answer(
            "usages", 6, 0, {"HBM Capacity(MB)": 65536, "HBM Usage Rate(%)": 12, "Aicore Usage Rate(%)": 97}
        ),
    ),
    "ecc of a chip with isolated pages": (
        "NPU ID                                   : 1\nChip Count                               : 1\n\n"
        "HBM Single Bit Error Count               : 9\nHBM Double Bit Error Count               : 1\n"
        "HBM Double Bit Isolated Pages Count      : 17\nChip ID                                  : 0\n",
        answer(
            "ecc",
            1,
            0,
            {
                "Chip Count": 1,
                "HBM Single Bit Error Count": 9,
                "HBM Double Bit Error Count": 1,
                "HBM Double Bit Isolated Pages Count": 17,
            },
        ),
    ),
    "memory": (
        "NPU ID : 0\nHBM Capacity(MB) : 65536\nHBM Clock Speed(MHz) : 1600\nHBM Temperature(C) : 44\n",
        answer(
            "memory",
            0,
            None,
            {"HBM Capacity(MB)": 65536, "HBM Clock Speed(MHz)": 1600, "HBM Temperature(C)": 44},
        ),
    ),
    "hccs": (
        "\thccs health status             : NOK\n\thccs lane mode                 : [4 4 2]\n"
        "\thccs retry count               : [0                    5                    0 ]\n"
        "\thccs first error lane          : NA\n",
        answer(
            "hccs",
            None,
            None,
            {
                "hccs health status": "NOK",
                "hccs lane mode": [4, 4, 2],
                "hccs retry count": [0, 5, 0],
                "hccs first error lane": None,
            },
        ),
    ),
    "sio-info": (
        "NPU ID : 4\nTX Error Count : 0\nRX Error Count : 3\n",
        answer("sio-info", 4, None, {"TX Error Count": 0, "RX Error Count": 3}),
    ),
    "pcie-err": (
        "NPU ID : 4\nTX Error Count : 0\nRX Error Count : 0\nLcrc Error Count : 2\nEcrc Error Count : 0\n",
        answer(
            "pcie-err",
            4,
            None,
            {"TX Error Count": 0, "RX Error Count": 0, "Lcrc Error Count": 2, "Ecrc Error Count": 0},
        ),
    ),
    "board: a serial number keeps its zeros, a bus its colons": (
        "NPU ID : 1\nSoftware Version : 24.1.0\nSerial Number : 000123\nBoard ID : 0x64\n"
        "PCIe Bus Info : 0000:81:00.0\nClass ID : NA\n",
        answer(
            "board",
            1,
            None,
            {
                "Software Version": "24.1.0",
                "Serial Number": "000123",
                "Board ID": "0x64",
                "PCIe Bus Info": "0000:81:00.0",
                "Class ID": None,
            },
        ),
    ),
    "temp": ("NPU ID : 7\nTemperature (C) : 53\n", answer("temp", 7, None, {"Temperature (C)": 53})),
    "temp of a card with a controller": (
        "NPU ID : 0\nChip Count : 1\n\nNPU Temperature (C) : 39\nChip ID : 0\n\n"
        "LM75A_TE (C) : 36\nLM75B_TE (C) : 35\nChip Name : MCU\n",
        answer(
            "temp",
            0,
            0,
            {"Chip Count": 1, "NPU Temperature (C)": 39},
            more=[answer("temp", 0, None, {"LM75A_TE (C)": 36, "LM75B_TE (C)": 35, "Chip Name": "MCU"})],
        ),
    ),
    "power": (
        "NPU ID : 7\nNPU Real-time Power(W) : 296.5\n",
        answer("power", 7, None, {"NPU Real-time Power(W)": 296.5}),
    ),
    "sensors": (
        "NPU ID : 0\nSoc Max Temperature (C) : 50\nHBM Temperature (C) : 48\nSFP Temperature (C) : NA\n",
        answer(
            "sensors",
            0,
            None,
            {"Soc Max Temperature (C)": 50, "HBM Temperature (C)": 48, "SFP Temperature (C)": None},
        ),
    ),
    "fault events of a 950": (
        "NPU ID : 0\nFault Event Count : 1\nFault Event Information : event id=0x80E18401, severity=MINOR\n",
        answer(
            "current-fault-event",
            0,
            None,
            {"Fault Event Count": 1, "Fault Event Information": ["event id=0x80E18401, severity=MINOR"]},
        ),
    ),
    "processes of a chip": (
        "Process id:4711  Process name:python3     Process memory(MB):3000\n"
        "Process id:4712  Process name:     Process memory(MB):5\n",
        answer(
            "proc-mem",
            None,
            None,
            {},
            rows=[
                {"Process id": 4711, "Process name": "python3", "Process memory(MB)": 3000},
                {"Process id": 4712, "Process name": "", "Process memory(MB)": 5},
            ],
        ),
    ),
    "watch": (
        "NpuID(Idx)  ChipId(Idx) Pwr(W)      Temp(C)     AI Core(%)\n"
        "2           0           90.1        34          0\n"
        "2           0           -           NA          7\n",
        answer(
            "watch",
            2,
            0,
            {"Pwr(W)": None, "Temp(C)": None, "AI Core(%)": 7},
            rows=[
                {"NpuID(Idx)": 2, "ChipId(Idx)": 0, "Pwr(W)": 90.1, "Temp(C)": 34, "AI Core(%)": 0},
                {"NpuID(Idx)": 2, "ChipId(Idx)": 0, "Pwr(W)": None, "Temp(C)": None, "AI Core(%)": 7},
            ],
        ),
    ),
    "a query that the device does not know": (
        "This device does not support querying spod-info.\n",
        answer("unsupported", None, None, {"query": "spod-info"}),
    ),
    "a card that is gone": (
        "npu-smi info -i 5 -t board\nInvalid card id.\nError parameter of -i\n"
        "Usage: npu-smi info <watch|-h>\n",
        answer("error", 5, None, {"message": "Invalid card id."}, query="board"),
    ),
    "one bad card hides all": (
        "npu_get_card_device_id failed. err is -8005\n",
        answer("error", None, None, {"message": "npu_get_card_device_id failed. err is -8005"}),
    ),
    "link, address and reachability back to back": (
        "ipaddr:192.0.2.7\nnetmask:255.255.255.0\nlink status: DOWN\nnet health status: Receive timeout\n",
        answer(
            "ip",
            None,
            None,
            {"ipaddr": "192.0.2.7", "netmask": "255.255.255.0"},
            more=[
                answer("link", None, None, {"link status": "DOWN"}),
                answer("net_health", None, None, {"net health status": "Receive timeout"}),
            ],
        ),
    ),
    "no address": (
        "/usr/local/Ascend/driver/tools/hccn_tool -i 2 -ip -g\n"
        "Get ipconf failed, because no ip was preset there!\n",
        answer("ip", 2, None, {}, error="Get ipconf failed, because no ip was preset there!"),
    ),
    "ports of a 950": (
        "hccn_tool -g -ub_connect -i 3\nlink status : PARTIAL LINK\nport 4 : UP\nport 5 : PARTIAL UP\n",
        answer(
            "ub_connect",
            3,
            None,
            {"link status": "PARTIAL LINK"},
            ports={"port 4": "UP", "port 5": "PARTIAL UP"},
        ),
    ),
    "history of a link": (
        "[device 6]current time        : Wed Jun  7 10:08:28 2023\n[device 6]link up count       : 2\n"
        "[device 6]link change records :\n[device 6]    Tue Jun  6 16:32:12 2023    LINK UP\n"
        "[device 6]    Tue Jun  6 16:32:10 2023    LINK DOWN\n",
        answer(
            "link_stat",
            6,
            None,
            {"current time": "2023-06-07T10:08:28", "link up count": 2},
            changes=[
                {"at": "2023-06-06T16:32:12", "state": "UP"},
                {"at": "2023-06-06T16:32:10", "state": "DOWN"},
            ],
        ),
    ),
    "history of a port of a 950": (
        "link up count :    1\nlink down count :  1\n"
        "+-----+------+------+-------------+-------------------------+\n"
        "| NPU | UDie | Port | Link_Status | Time_Stamp              |\n"
        "+-----+------+------+-------------+-------------------------+\n"
        "|  2  |  1   |  5   |  LINK_DOWN  | Mon Feb 9 21:45:47 2026 |\n",
        answer(
            "link_stat",
            2,
            None,
            {"link up count": 1, "link down count": 1},
            changes=[{"at": "2026-02-09T21:45:47", "state": "DOWN", "udie": "1", "port": "5"}],
        ),
    ),
    "optics": (
        "optical info:\npresent              : present\ntemperature          : 51 C\n"
        "Tx Power0            : 1.1035 mW\nRx Power0            : 0.0021 mW\n"
        "RxPower Low Thres    : 0.1445 mW\nRx Los Flag          : 0x1\n"
        "Host SNR Lane0       : not supported\nMedia SNR Lane0      : 22.5 dB\n",
        answer(
            "optical",
            None,
            None,
            {
                "present": "present",
                "temperature": 51,
                "Tx Power0": 1.1035,
                "Rx Power0": 0.0021,
                "RxPower Low Thres": 0.1445,
                "Rx Los Flag": "0x1",
                "Host SNR Lane0": None,
                "Media SNR Lane0": 22.5,
            },
            units={
                "temperature": "C",
                "Tx Power0": "mW",
                "Rx Power0": "mW",
                "RxPower Low Thres": "mW",
                "Media SNR Lane0": "dB",
            },
        ),
    ),
    "counters, elided by their author": (
        "packet statistics:\nmac_rx_fcs_err_pkt_num:3\n...\nroce_new_pkt_rty_num:12\n",
        answer("stat", None, None, {"mac_rx_fcs_err_pkt_num": 3, "roce_new_pkt_rty_num": 12}),
    ),
    "tls": (
        "dev_id:4, tls switch[1](0:disable, 1:enable), tls preconfigured[0](0:non-preset, 1:preset),"
        " tls alarm time threshold[60]days\ndev_id:4, [pub cert] info:\n"
        "\t subject[/C=CN/CN=here]\n"
        "\t tls expiration status[1](0:normal, 1:near expiration, 2:has expired)\n",
        answer(
            "tls",
            4,
            None,
            {"tls switch": 1, "tls preconfigured": 0, "tls alarm time threshold": 60},
            certificates=[{"name": "pub", "subject": "/C=CN/CN=here", "tls expiration status": "1"}],
        ),
    ),
    "fec": ("fec mode: rs FEC mode\n", answer("fec", None, None, {"fec mode": "rs FEC mode"})),
    "no fec": ("no FEC mode\n", answer("fec", None, None, {"fec mode": "no FEC mode"})),
    "fec of a 950": (
        "+-----+------+------+---------+\n| NPU | UDie | Port | rs_mode |\n+-----+------+------+---------+\n"
        "| 3   | 0    | 4    | 128 T4  |\n+-----+------+------+---------+\n",
        answer("fec", 3, None, {"UDie": 0, "Port": 4, "rs_mode": "128 T4"}),
    ),
    "gateway": (
        "default gateway:192.0.2.1, Iface:eth3\n",
        answer("gateway", None, None, {"default gateway": "192.0.2.1", "Iface": "eth3"}),
    ),
    "the switch behind a port": (
        "Chassis ID TLV\n\tMAC: 00:00:5e:00:53:01\nPort ID TLV\n\tIfname: 400GE1/0/3\n"
        "System Description TLV\n\tA switch\nof two lines\nEnd of LLDPDU TLV\n",
        answer(
            "lldp",
            None,
            None,
            {
                "Chassis ID": "MAC: 00:00:5e:00:53:01",
                "Port ID": "Ifname: 400GE1/0/3",
                "System Description": "A switch\nof two lines",
            },
        ),
    ),
    "names that come twice": (
        "port_id: 0x4\n======= UB PORT LINK INFO =======\nport_link: link\nport_mode: SHARED\n"
        "======= UB DLPHY INFO =======\nport_mode: X4 2port\n",
        answer(
            "port_info",
            None,
            None,
            {"port_link": "link", "port_mode": "SHARED"},
            again={"port_mode": "X4 2port"},
        ),
    ),
    "driver": (
        "Version=24.1.0\nascendhal_version=7.35.23\ncompatible_version_fw=[7.0.0,7.5.99]\n"
        "package_version=24.1.0\n",
        answer(
            "driver_version",
            None,
            None,
            {
                "Version": "24.1.0",
                "ascendhal_version": "7.35.23",
                "compatible_version_fw": ["7.0.0,7.5.99"],
                "package_version": "24.1.0",
            },
        ),
    ),
    "toolkit": (
        "package_name=Ascend-cann-toolkit\nversion=8.0.RC3\ninnerversion=V100R001C19\narch=aarch64\n",
        answer(
            "toolkit_install",
            None,
            None,
            {
                "package_name": "Ascend-cann-toolkit",
                "version": "8.0.RC3",
                "innerversion": "V100R001C19",
                "arch": "aarch64",
            },
        ),
    ),
    "addresses of a host": (
        "address_0=192.0.2.7\nnetmask_0=255.255.255.0\nsend_arp_status_0=1\n",
        answer(
            "hccn_conf",
            None,
            None,
            {"address_0": "192.0.2.7", "netmask_0": "255.255.255.0", "send_arp_status_0": "1"},
        ),
    ),
}

MAPPING_A3 = """\
	NPU ID                         Chip ID                        Chip Logic ID                  \
Chip Phy-ID                    Chip Name
	1                              1                              3                              \
3                              Ascend910
	1                              2                              -                              \
-                              Mcu
"""
LIST = """\
	Total Count                    : 16

	NPU ID                         : 12
	Chip Count                     : 1
"""
TOPOLOGY = """\
           Phy-ID0    Phy-ID1    CPU Affinity
Phy-ID0    X          SIO        0-23,48-71
Phy-ID1    SIO        X          0-23,48-71

Legend:

  X    = Self
"""
