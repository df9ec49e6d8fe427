"""Define how a process that decodes answers: messages of a kind, two numbers and a content.

====  ====================  =====================================================
kind  numbers               content
====  ====================  =====================================================
F     times shown; bytes    a frame: its three planes in YUV 4:2:0, BT.709, limited
S     samples; bytes        sound: 16 bits, two channels, 48 kHz, interleaved
E     0; 0                  the end of the answer
X     0; bytes              the end of the answer: why the rest cannot be decoded
====  ====================  =====================================================
"""

import struct
from typing import Final

HEADER: Final = struct.Struct(">cIQ")
SAMPLE_RATE: Final = 48_000
BYTES_OF_SAMPLE: Final = 4
"""Bytes of one moment of sound: two channels of 16 bits."""
