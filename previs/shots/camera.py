"""Recognize the words for sizes, angles and movements of a camera, in English and Chinese, and spell them out; pure.

The terms are those of shot lists and storyboards in both languages; each row has the English wording, the Chinese one,
and other spellings. Words that are not here pass as they are.
"""

import re
from typing import Final, Literal, NamedTuple

CameraPart = Literal["size", "angle", "movement"]

_TERMS: Final = """
size      | extreme close-up      | 大特写   | ecu xcu bcu bigcloseup 极特写 微距
size      | close-up              | 特写     | cu closeshot close closeon closer
size      | medium close-up       | 近景     | mcu mediumclose 中近景 胸像
size      | medium shot           | 中景     | ms mid midshot medshot 半身 半身景
size      | cowboy shot           | 七分身   | cowboy americanshot 牛仔景
size      | medium long shot      | 中全景   | mls mws mediumwideshot mfs mediumfullshot
size      | full shot             | 全身景   | fs full fullbody 全身
size      | wide shot             | 全景     | ws ls wide wideon longshot 大景
size      | extreme wide shot     | 大远景   | ews els xws xls extremelongshot vws vls verywide verylongshot 极远景
size      | long view             | 远景     | 远
size      | establishing shot     | 建立镜头 | est estab establishing 定场镜头 交代镜头
size      | over-the-shoulder shot | 过肩镜头 | ots overtheshoulder 过肩 o/s
size      | point-of-view shot    | 主观镜头 | pov pointofview 主观 主观视角
size      | two shot              | 双人镜头 | 2s 2shot twoshot 双人
size      | three shot            | 三人镜头 | 3s 3shot threeshot 三人
size      | group shot            | 群像     | group 群景
size      | insert shot           | 插入镜头 | insert ins 空镜 插入
angle     | eye level             | 平视     | eyelevel el 平拍 正常
angle     | low angle             | 仰拍     | low la 低角度 仰视 低机位
angle     | high angle            | 俯拍     | high ha 高角度 俯视 高机位
angle     | bird's-eye view       | 鸟瞰     | birdseye birdseyeview overhead topshot topdown top 顶拍 顶视 俯瞰
angle     | worm's-eye view       | 极仰拍   | wormseye wormseyeview 虫视
angle     | dutch angle           | 斜角     | dutch canted tilted dutchtilt 倾斜 荷兰角
angle     | shoulder level        | 肩高     | shoulderlevel
angle     | hip level             | 腰高     | hiplevel
angle     | knee level            | 膝高     | kneelevel
angle     | ground level          | 地面视角 | groundlevel 贴地
angle     | profile view          | 侧面     | profile side 侧拍
angle     | from behind           | 背面     | back behind 背拍 背影
angle     | front view            | 正面     | front 正拍
movement  | static camera         | 固定镜头 | static locked lockedoff lockoff still fixed 固定 静止 定
movement  | pan                   | 横摇     | panning 摇 摇镜头
movement  | pan left              | 左摇     | panleft 向左摇
movement  | pan right             | 右摇     | panright 向右摇
movement  | whip pan              | 甩镜头   | whip swishpan 甩
movement  | tilt up               | 上摇     | tiltup 仰摇
movement  | tilt down             | 下摇     | tiltdown 俯摇
movement  | dolly in              | 推镜头   | pushin push dollyin 推 推近 前推
movement  | dolly out             | 拉镜头   | pullout pullback pull dollyout 拉 拉远 后拉
movement  | tracking shot         | 移镜头   | track tracking truck trucking dolly slide slider 移 横移 平移
movement  | follow shot           | 跟镜头   | follow following 跟 跟拍 跟随
movement  | crane up              | 升镜头   | craneup boomup 升 升起
movement  | crane down            | 降镜头   | cranedown boomdown 降 下降
movement  | crane shot            | 升降镜头 | crane boom jib 升降 摇臂
movement  | zoom in               | 变焦推近 | zoomin
movement  | zoom out              | 变焦拉远 | zoomout
movement  | handheld camera       | 手持镜头 | handheld hh 手持
movement  | steadicam             | 斯坦尼康 | steadycam gimbal 稳定器
movement  | orbit                 | 环绕     | arc arcshot orbiting 360 环绕镜头 弧形
movement  | aerial shot           | 航拍     | aerial drone 无人机
"""
_CHINESE: Final = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LENS: Final = re.compile(r"\d{1,4}\s*(?:-\s*\d{1,4}\s*)?(?:mm|毫米)", re.IGNORECASE)
_IGNORED: Final = re.compile(r"[\s_\-.'\u2019]+")
_NAMED_SHOT: Final = re.compile(r"(?<=.)(shot|镜头)$")


class _Term(NamedTuple):
    part: str
    english: str
    chinese: str


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).casefold()


def _vocabulary() -> dict[str, _Term]:
    found: dict[str, _Term] = {}
    for line in _TERMS.strip().splitlines():
        part, english, chinese, others = (cell.strip() for cell in line.split("|"))
        term = _Term(part, english, chinese)
        for name in (english, chinese, *others.split()):
            found[_plain(name)] = term
    return found


_VOCABULARY: Final = _vocabulary()


def is_chinese(text: str) -> bool:
    """Return whether a text has a Chinese character."""
    return _CHINESE.search(text) is not None


def camera_of(text: str) -> dict[str, str] | None:
    """Return the parts of a camera that a text such as ``CU, low, 85mm`` names; None unless all its words are known."""
    found: dict[str, str] = {}
    for word in filter(None, re.split(r"\s*[,，、;；/+]\s*", text.strip())):
        term = _known(word)
        part = term.part if term else "lens" if _LENS.fullmatch(word) else ""
        if not part or part in found:
            return None
        found[part] = word
    return found or None


def spelled_out(word: str, part: CameraPart, *, chinese: bool) -> str:
    """Return a term of the camera in words of one language: ``CU`` becomes ``close-up``, or ``特写``.

    Several terms, with ``,``, ``，``, ``、``, ``/`` or ``+`` between them, are spelled out one by one.

    Args:
        word: What a person wrote.
        part: What the term is for; a term of another part stays as it is.
        chinese: Whether to use Chinese.
    """
    pieces = re.split(r"(\s*[,，、/+]\s*)", word) if _term(word, part) is None else [word]
    for index in range(0, len(pieces), 2):
        if term := _term(pieces[index], part):
            pieces[index] = term.chinese if chinese else term.english
    return "".join(pieces).strip()


def _term(word: str, part: CameraPart) -> _Term | None:
    term = _known(word)
    return term if term is not None and term.part == part else None


def _known(word: str) -> _Term | None:
    name = _plain(word)
    return _VOCABULARY.get(name) or _VOCABULARY.get(_NAMED_SHOT.sub("", name))
