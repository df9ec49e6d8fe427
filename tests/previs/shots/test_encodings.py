"""Sheets are read in whatever Excel writes, and a guess is said."""

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list
from previs.shots.encodings import wide_encoding


def read(source: bytes) -> ShotList:
    return read_shot_list(source, name="sheet.csv")


BY_COLUMNS = {
    "gb18030": ("镜号,画面内容,时长", "清晨的渔港，薄雾"),
    "big5": ("鏡號,場次,畫面描述,時長", "漁港,清晨的漁港"),
    "cp932": ("カット番号,内容,尺", "早朝の漁港"),
    "cp949": ("컷 번호,화면 내용,길이", "안개"),
    "cp1252": ("Plan;Description;Durée", "été à Orléans"),
    "cp1251": ("Кадр,Описание,Длительность", "Туман"),
    "utf-16": ("Shot,Description,Duration", "Fog"),
    "utf-16-le": ("Кадр,Описание,Duration", "Fog"),
}


@pytest.mark.parametrize("encoding", BY_COLUMNS)
def test_the_names_of_the_columns_tell_the_encoding(encoding: str) -> None:
    header, text = BY_COLUMNS[encoding]
    sheet = read(f"{header}\r\n1,{text},4\r\n".replace(",", ";" if ";" in header else ",").encode(encoding))
    assert (sheet.shots[0].description, sheet.notices) == (text.rpartition(",")[2], ())


LETTERS = {
    "gb18030": "清晨的渔港，薄雾笼罩着码头",
    "big5": "清晨的漁港，薄霧籠罩著碼頭",
    "cp932": "早朝の漁港、霧が立ちこめる桟橋",
    "cp949": "이른 아침의 어항, 안개 낀 부두",
    "cp1252": "Nebel über dem Kai – Hände am Geländer",
    "cp1251": "Туман над причалом, руки на поручне",
}
NAMES = {"gb18030": "GB18030", "big5": "Big5", "cp932": "Shift-JIS", "cp949": "CP949", "cp1252": "CP1252"}


@pytest.mark.parametrize("encoding", LETTERS)
def test_below_english_names_letters_tell_the_encoding_and_the_guess_is_said(encoding: str) -> None:
    sheet = read(f'shot,prompt,duration\n1,"{LETTERS[encoding]}",4\n'.encode(encoding))
    assert sheet.shots[0].prompt == LETTERS[encoding]
    called = NAMES.get(encoding, "CP1251")
    said = f'the file is not UTF-8 and is read as {called}, a guess: save it as "CSV UTF-8" to be sure'
    assert sheet.notices == (said,)


def test_one_damaged_character_of_utf8_is_a_fault_with_its_place() -> None:
    content = f"shot,prompt,duration\n1,{'雾' * 50},4\n2,".encode() + b"\x96,4\n"
    with pytest.raises(ShotListFaults, match=r"line 3, byte 179 of the file: not UTF-8"):
        read(content)


def test_an_encoding_that_breaks_off_or_is_none_is_named() -> None:
    with pytest.raises(ShotListFaults, match=r"line 2, byte 27 of the file: not CP949"):
        read("컷 번호,화면 내용,길이\r\n".encode("cp949") + b"1,\xff\xff,4\r\n")
    with pytest.raises(ShotListFaults, match=r"no UTF-8, UTF-16, GB18030, Big5, Shift-JIS, CP949, CP1252 or CP1251"):
        read(b"shot,prompt,duration\n1,\x81\x00\x98\xff\x8d\xa0,4\n" * 20)


def test_zeros_tell_utf_16_only_if_they_are_every_second_byte() -> None:
    assert wide_encoding("shot,prompt".encode("utf-16-be")) == "utf-16-be"
    assert wide_encoding(b"\0" * 100) is wide_encoding(b"shot") is wide_encoding(b"") is None
