"""Write the words of a board's page and contact sheet in the language of its list."""

import re
from collections.abc import Iterable
from typing import Final, Protocol

from previs.publishing.views.timecode import spell
from previs.publishing.views.wording import language

CHINESE: Final = {
    "Storyboard": "故事板",
    "run": "运行",
    "Board": "故事板",
    "Skip to the shots": "跳到镜头",
    "{length} at {fps} fps": "{length}，{fps} 帧/秒",
    "shots": "镜头",
    "takes": "条",
    "rendered": "已渲染",
    "joined": "已接上",
    "cached": "已缓存",
    "failed": "失败",
    "skipped": "跳过",
    "Some shots lack a frame": "有些镜头没有画面",
    "Notices of the run": "本次运行的提示",
    "Skipped, because a shot that they build on has no frame:": "已跳过，因为它们所依据的镜头没有画面：",
    "Shots": "镜头",
    "begins at ": "开始于 ",
    "Failed": "失败",
    "Failed:": "失败：",
    "Since run {run}": "与运行 {run} 相比",
    "What changed since run {run} is not marked: {reason}": "未标出与运行 {run} 相比的改动：{reason}",
    "Nothing changed.": "没有改动。",
    "{count} new": "新增 {count} 个",
    "{count} changed": "画面改动 {count} 个",
    "{count} omitted": "删去 {count} 个",
    "New": "新增",
    "Changed": "有改动",
    "Sequences": "分场",
    "Show all": "显示全部",
    "Show less": "收起",
    "{time} at the latest": "最迟 {time}",
    "Links to the board and its frames work until {until}; run again for new ones.": (
        "故事板和画面的链接有效至 {until}；重新运行可得到新的链接。"
    ),
    "Links to the full frames work until {until}; run again for new ones.": (
        "原尺寸画面的链接有效至 {until}；重新运行可得到新的链接。"
    ),
    "Skipped": "跳过",
    "No frame": "没有画面",
    "Take {number}": "第 {number} 条",
    "Take": "条",
    "picked": "选定",
    "seed {seed}": "种子 {seed}",
    "No take": "没有条",
    "No take of this shot was made.": "这个镜头没有渲染。",
    "Cast": "人物",
    "Description": "画面内容",
    "Camera": "镜头语言",
    "Place": "场景",
    "Action": "画面内容",
    "Notes": "备注",
    "Revision {number}": "第 {number} 版",
    "No picture": "没有图片",
    "The picture cannot be read": "图片无法读取",
    "Dialogue": "对白",
    "Sound": "声音",
    "Transition": "转场",
    "Open {format}": "打开 {format}",
    "Download {format}": "下载 {format}",
    "{format}, without a link": "{format}，没有链接",
    "Frame in full size": "原尺寸画面",
    "Previous frame": "上一幅",
    "Next frame": "下一幅",
    "Close": "关闭",
    "Last run": "上次运行",
    "Compare": "对比",
    "Wipe between the two pictures": "两幅画面之间的划像",
    "Picture on the left": "左侧画面",
    "Picture on the right": "右侧画面",
    "Zoom in": "放大",
    "Zoom out": "缩小",
    "Play from this shot": "从这个镜头播放",
    "The board as a film": "连续播放故事板",
    "Play": "播放",
    "Pause": "暂停",
    "Position": "播放位置",
    "Previous shot": "上一个镜头",
    "Next shot": "下一个镜头",
    "Mute": "静音",
    "Volume": "音量",
    "Captions": "字幕",
    "Full screen": "全屏",
    "Made in {time}.": "用时 {time}。",
    "1 shot": "1 个镜头",
    "{count} shots": "{count} 个镜头",
    "1 frame": "1 帧",
    "{count} frames": "{count} 帧",
    "{count} h": "{count} 小时",
    "{count} min": "{count} 分",
    "{count} s": "{count} 秒",
    "{count} fps": "{count} 帧/秒",
    "an unknown time": "未知时间",
    "Without sequence": "未分场",
    "Shot {shot}, take {take}": "镜头 {shot}，第 {take} 条",
    "Shot {shot}, pass {name}": "镜头 {shot}，工序 {name}",
    "of take {number}": "来自第 {number} 条",
    "{shot} · {name}": "{shot} · {name}",
    "passes": "工序",
    "Earlier": "先前",
    "rendered before: {how}": "以前渲染：{how}",
    "found on the server: submitted before this run": "服务器上已有：在这次运行之前提交",
    "waited {time}": "等待 {time}",
    "frames stored in {time}": "画面保存用时 {time}",
    "{time} on {server}": "{time}，{server}",
    "on {server}": "在 {server}",
    "1 failed attempt": "失败 1 次",
    "{count} failed attempts": "失败 {count} 次",
    "{attempts} before": "之前{attempts}",
    "black frame": "全黑画面",
    "flat grey frame": "纯灰画面",
    "blank frame, {detail}": "单色画面，{detail}",
    "frozen film": "画面静止不动",
    "wrong aspect, {size} for {asked}": "画幅不符，{size}，应为 {asked}",
    "same picture as {take}": "与 {take} 画面相同",
    "rendered once more: seed {seed} gave {why}": "已换种子重渲一次：种子 {seed} 得到{why}",
    "rendered once more for {why}: seed {seed} was no better": "因{why}重渲一次：种子 {seed} 也没有改善",
    "rendered once more for {why}: that failed": "因{why}重渲一次：失败",
    "marked by QC": "质检标记",
    "{shot} · take {take}": "{shot} · 第 {take} 条",
    "1 other take": "另有 1 条",
    "{count} other takes": "另有 {count} 条",
    "continued": "续",
    "NO TAKE": "没有条",
    "FAILED": "失败",
    "NO FRAME": "没有画面",
    "no picture": "没有图片",
    "Page {number}": "第 {number} 页",
    "This page": "本页",
    "{first} to {last}": "{first} 至 {last}",
    "{count} pages:": "共 {count} 页：",
    "page {number} of {pages}": "第 {number} 页，共 {pages} 页",
    "pages": "页",
    "Shot {shot} lacks a frame.": "镜头 {shot} 没有画面。",
    "Shot {shot} was skipped.": "镜头 {shot} 被跳过。",
    "and {count} more": "还有 {count} 项",
    "1 picture left out to keep this sheet small: the board's page shows them all.": (
        "为控制大小，略去 1 张图片：故事板页面上都有。"
    ),
    "{count} pictures left out to keep this sheet small: the board's page shows them all.": (
        "为控制大小，略去 {count} 张图片：故事板页面上都有。"
    ),
    "1 more take on the board's page.": "故事板页面上还有 1 条。",
    "{count} more takes on the board's page.": "故事板页面上还有 {count} 条。",
}
"""Words in Chinese, by the English ones."""

_UNIT: Final = re.compile(r"([\d.]+) (h|min|s)\b")

LANGUAGES: Final = {"en": dict[str, str](), "zh": CHINESE}


class Labels(Protocol):
    """Return words in the language of a board."""

    def __call__(self, english: str, **values: object) -> str:
        """Return the words for English ones, with values in place of the names in braces."""


def labels(lang: str) -> Labels:
    """Return the words of a language; those that it lacks are English.

    Args:
        lang: Code of the language, ``en`` or ``zh``.
    """
    words = LANGUAGES.get(lang, {})

    def label(english: str, **values: object) -> str:
        return words.get(english, english).format(**values) if values else words.get(english, english)

    return label


def counted(label: Labels, count: int, word: str, rest: str = "") -> str:
    """Return a number with its noun: ``1 shot``, ``3 shots``.

    Args:
        label: Words of the language.
        count: Number.
        word: Noun in English, in the singular.
        rest: Words behind the noun.
    """
    return label(f"1 {word}{rest}") if count == 1 else label(f"{{count}} {word}s{rest}", count=count)


def spelled(label: Labels, seconds: float) -> str:
    """Return a duration as :func:`spell` does, in the words of a language."""
    return _UNIT.sub(lambda found: label(f"{{count}} {found[2]}", count=found[1]), label(spell(seconds)))


def language_of(texts: Iterable[str]) -> str:
    """Return the language that most of the texts have, of those that labels have words for."""
    found = [language(text) for text in texts if text]
    return "zh" if 2 * found.count("zh") > len(found) else "en"
