"""Recognize the columns of a spreadsheet by their English or Chinese names."""

import csv
import re
import unicodedata
from collections.abc import Iterable

from previs.text.similar import closest, meant

DELIMITERS = ",;\t"
_LONGEST_NAME = 200  # characters
_LONG_ENOUGH = (5, 7)  # letters for one and for two wrong ones
_LONGEST_HEADER = 100_000  # characters of the first row in which names are looked for
_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # as in str.splitlines
_BLANK = re.compile(rf'[{DELIMITERS} "{_BREAKS}]*+')
_REST_OF_LINE = re.compile(rf"[^{_BREAKS}]*+")

# The most specific name first: if a sheet has both 景别 and 画面景别, the second is kept as an unknown column.
_NAMES = {
    "shot_id": "shotid shotnumber shotno shot id 镜头编号 镜头号 镜号 分镜号 镜头id 镜头 分镜 编号",
    "prompt": "prompt positiveprompt imageprompt aiprompt 提示词 正向提示词 正面提示词 ai提示词 ai绘画提示词 "
    "绘画提示词 绘图提示词 生图提示词 文生图提示词 图片提示词 画面提示词 英文提示词",
    "description": "description action desc 画面描述 画面内容 描述 画面 内容 动作 剧情",
    "camera": "camera 镜头语言 摄影机",
    "size": "shotsize size framing fieldsize 景别 画面景别 镜头景别",
    "angle": "angle cameraangle shotangle 角度 拍摄角度 镜头角度 机位 视角",
    "movement": "movement cameramovement cameramove move 运镜 镜头运动 运动 摄法 运镜方式 拍摄手法",
    "lens": "lens focallength 焦段 焦距 镜头焦段",
    "dialogue": "dialogue dialog lines 台词 对白 对话 对白台词 台词对白",
    "sound": "sound audio sfx soundeffects 音效 声音 音乐音效",
    "scene": "scene sceneno scenenumber",
    "location": "location set 地点 场景 拍摄地点",
    "time_of_day": "timeofday daynight dn 日夜 时间段",
    "transition": "transition 转场 过渡",
    "references": "references reference refs ref referenceimages referenceimage 参考图 参考图片 参考图像 参考",
    "reference_role": "referencerole role 参考用途 参考图用途 用途",
    "reference_strength": "referencestrength strength 参考强度 参考图强度 参考权重",
    "duration": "duration durationseconds durationsec seconds length 时长 镜头时长 持续时间 秒数 长度",
    "negative_prompt": "negativeprompt negative 负面提示词 负向提示词 反向提示词 反面提示词",
    "seed": "seed 种子 随机种子 种子值",
    "takes": "takes 条数 次数 生成次数 生成张数",
    "width": "width 宽度 宽",
    "height": "height 高度 高",
    "sequence": "sequence seq 场次 场号 序列 场",
    "notes": "notes note remarks remark comments comment 备注 注释 说明",
}
_OVERRIDE = re.compile(r"(?:overrides?|覆盖|改写)(?:\s*[:：]\s*|\s+)(.+)", re.IGNORECASE)
_RANKS = {name: (field, rank) for field, names in _NAMES.items() for rank, name in enumerate(names.split())}


def plain_name(header: str) -> str:
    """Strip case, spaces, underscores, hyphens and brackets from a header: ``Duration (s)`` becomes ``duration``."""
    if len(header) > _LONGEST_NAME:
        return header
    text = unicodedata.normalize("NFKC", header).casefold()
    return re.sub(r"\([^()]*+\)|\[[^\[\]]*+\]|[\s_\-#*:]", "", text)


def overridden(header: str) -> str | None:
    """Return the input that a column overrides: ``4.ckpt_name`` for ``override 4.ckpt_name``."""
    found = _OVERRIDE.fullmatch(header) if len(header) <= _LONGEST_NAME else None
    return found[1].strip() if found else None


def known_columns(header: list[str]) -> dict[int, str]:
    """Return the field of each known column, by index; several may hold ``references`` (``reference 1``, ``2``).

    Two columns with the same name are both returned, so that a person decides between them.
    """
    found = {index: known for index, name in enumerate(header) if (known := _known(plain_name(name)))}
    best: dict[str, int] = {}
    for field, rank in found.values():
        best[field] = min(rank, best.get(field, rank))
    chosen = (item for item in found.items() if item[1][0] == "references" or item[1][1] == best[item[1][0]])
    return {index: field for index, (field, _) in chosen}


def closest_field(name: str) -> str | None:
    """Return the field whose name in any language is most similar to a name, if it is."""
    found = closest(plain_name(name), _RANKS, most=1) if len(name) <= _LONGEST_NAME else []
    return _RANKS[found[0]][0] if found else None


def misspelled_column(name: str) -> str | None:
    """Return the known English name of a column that a long enough name must mean, by one or two letters, or None."""
    plain = plain_name(name)
    most = sum(len(plain) >= length for length in _LONG_ENOUGH)
    if not most or len(plain) > _LONGEST_NAME or plain in _RANKS or not plain.isascii():
        return None
    return meant(plain, filter(str.isascii, _RANKS), most=most)


def delimiter_of(text: str) -> str | None:
    """Return the delimiter with which the first row that is not blank has known names; None without one."""
    first = _first_line(text)
    counts = {delimiter: _count_known(first, delimiter) for delimiter in DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] > 1 else None


def _first_line(text: str) -> str:
    """Return the first line that is not blank, or the start of a very long one."""
    blank = _BLANK.match(text)
    end = blank.end() if blank else 0
    start = max(text.rfind(each, 0, end) for each in _BREAKS) + 1
    line = _REST_OF_LINE.match(text, start, start + _LONGEST_HEADER)
    return line[0] if line and end < len(text) else ""


def _count_known(line: str, delimiter: str) -> int:
    cells: Iterable[list[str]] = csv.reader([line], delimiter=delimiter)
    try:
        return len(set(known_columns(next(iter(cells), [])).values()))
    except csv.Error:
        return 0


def _known(name: str) -> tuple[str, int] | None:
    """Return the field and the rank of the name; columns of references may end in a number."""
    if name in _RANKS:
        return _RANKS[name]
    field, _ = _RANKS.get(name.rstrip("0123456789"), ("", 0))
    return ("references", 0) if field == "references" and name[-1:].isdigit() else None
