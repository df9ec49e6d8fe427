"""Sheets are read as people and their tools write them, and what was done with them is said."""

from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list


def read(source: str | bytes) -> ShotList:
    return read_shot_list(source, name="sheet.csv")


def shots(source: str | bytes) -> list[dict[str, Any]]:
    return [shot.given() for shot in read(source).shots]


def faults(source: str | bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read(source)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "header",
    [
        "Shot,Sequence,Description,Shot size,Movement,Dialogue,Duration (s),Notes",
        "镜号,场次,画面描述,景别,运镜,台词,时长（秒）,备注",
        "鏡號,場次,畫面描述,景別,運鏡,台詞,時長,備註",
        "カット番号,シークエンス,内容,サイズ,カメラワーク,セリフ,尺,備考",
        "컷 번호,시퀀스,화면 내용,사이즈,카메라워크,대사,길이(초),비고",
        "Einstellung,Sequenz,Beschreibung,Einstellungsgröße,Kamerabewegung,Dialog,Dauer (s),Anmerkungen",
        "Plan n°,Séquence,Description,Valeur de plan,Mouvement,Dialogues,Durée,Remarques",
        "N° de plano,Secuencia,Descripción,Tamaño de plano,Movimiento,Diálogos,Duración,Observaciones",
        "Кадр №,Эпизод,Описание,Крупность,Движение камеры,Реплики,Длительность,Примечания",
        "Enquadramento,Sequência,Descrição,Tipo de plano,Movimento,Falas,Duração,Observações",
        "Inquadratura,Sequenza,Descrizione,Campo,Movimento di macchina,Battute,Durata,Osservazioni",
    ],
)
def test_columns_have_names_in_many_languages(header: str) -> None:
    [shot] = shots(f"{header}\n7,Q1,a pier,CU,pan,Wait!,2.5,n\n")
    fields = {"sequence": "Q1", "description": "a pier", "dialogue": "Wait!", "duration": 2.5, "notes": "n"}
    assert shot == {"shot_id": 7, "camera": {"size": "CU", "movement": "pan"}} | fields


def test_titles_blanks_sums_and_repeated_headers_are_no_shots_and_are_said() -> None:
    sheet = read(
        "The Last Ferry - Shot list,,,\nDirector: N.N.,,Date: 2026-01-02,\n,,,\nScene,Shot,Description,Duration\n"
        "12,1,Fog,4\n,2,A hand,2\nScene,Shot,Description,Duration\n13,3,Two women,3\n,,Total: 9 s,9\n合计,,,9\n,,,0\n"
    )
    assert [(shot.shot_id, shot.scene) for shot in sheet.shots] == [(1, "12"), (2, "12"), (3, "13")]
    assert sheet.notices == ("6 rows without a shot are skipped: 1, 2, 7, 9, 10, 11",)


def test_a_shot_that_lacks_its_number_or_its_text_is_a_fault_and_not_skipped() -> None:
    assert [fault.split(":")[0] for fault in faults("shot,description,duration\n,Fog,4\n2,,4\n3,,\n")] == [
        "row 2, shot",
        "row 3 (shot_id 2), prompt",
        "row 4 (shot_id 3), prompt",
        "row 4 (shot_id 3), duration",
    ]


def test_a_row_with_one_cell_is_a_section_and_gives_the_sequence() -> None:
    made = shots(
        "Scene,Shot,Description,Duration\nOpening,,,\n1,A,Fog,4\n1,B,A hand,2\n2 The deck\n2,C,Two women,3\n,D,More,1\n"
    )
    assert [(shot["sequence"], shot.get("scene")) for shot in made] == [
        ("Opening", "1"),
        ("Opening", "1"),
        ("2 The deck", "2"),
        ("2 The deck", "2"),
    ]
    assert [shot["sequence"] for shot in shots("镜号,画面,时长\n第一场 渔港,,\n1,雾,4\n第二场,,\n2,手,2\n")] == [
        "第一场 渔港",
        "第二场",
    ]


def test_numbers_that_restart_in_each_scene_are_named_by_scene_and_number() -> None:
    sheet = read(
        "Scene,Shot #,Shot Size,Shot Type,Angle,Movement,Lens,Description,Duration (s),Notes\n"
        "12,1,WS,Single,Eye level,Static,35mm,A terminal,4,\n12,2,CU,Single,Low,Dolly,85mm,Hands,2.5,\n,,,,,,,,,\n"
        "13,1,MS,Two shot,High,Handheld,50mm,Two women,3,\n,,,,,,,Total,9.5,\n"
    )
    assert [shot.shot_id for shot in sheet.shots] == ["12-1", "12-2", "13-1"]
    assert sheet.shots[0].given()["camera"] == {
        "size": "WS",
        "angle": "Eye level",
        "movement": "Static",
        "lens": "35mm",
    }
    assert sheet.notices == (
        "1 row without a shot is skipped: 6",
        "shot numbers restart in each scene, so shots are named by scene and number, such as 12-1",
    )
    [fault] = faults("scene,shot,prompt,duration\n1,1,x,2\n1,1,y,2\n2,1,z,2\n")
    assert fault.startswith('row 3 (shot_id 1-1), shot: "1-1": row 2 (shot_id 1-1) has the same')


def test_numbers_that_are_unique_stay_as_they_are() -> None:
    assert [shot["shot_id"] for shot in shots("scene,shot,prompt,duration\n1,1,x,2\n2,2,z,2\n")] == [1, 2]


def test_an_export_of_kitsu_counts_frames_at_its_own_rate() -> None:
    sheet = read(
        "Project,Episode,Sequence,Name,Description,Time spent,Nb Frames,Frame In,Frame Out,FPS\n"
        "Ferry,,SQ010,SH010,Fog,0,100,1001,1100,25\nFerry,,SQ010,SH020,A hand,0,60,1001,1060,25\n"
    )
    assert [(shot.shot_id, shot.duration) for shot in sheet.shots] == [("SH010", 4.0), ("SH020", 2.4)]
    assert sheet.fps == 25
    assert [shot["duration"] for shot in shots("shot,prompt,Duration (frames)\n1,x,36\n2,x,48f\n")] == [1.5, 2]


def test_the_id_of_an_export_of_flow_is_the_shot_code() -> None:
    [shot] = shots(
        '"Id","Shot Code","Sequence","Description","Cut Duration","Duration"\n"7","SH010","SQ010","Fog","96","4"'
    )
    fields = {"sequence": "SQ010", "description": "Fog", "Cut Duration": "96", "Id": "7"}
    assert shot == {"shot_id": "SH010", "duration": 4} | fields


@pytest.mark.parametrize(
    "header",
    [
        "Frame #,Action,Sound,Camera,Duration",
        "Setup,Shot Description,Audio,Camera,Length",
        "#,Desc,SFX,Camera,Sec",
    ],
)
def test_exports_of_boords_and_celtx_have_their_names(header: str) -> None:
    [shot] = shots(f'{header}\n3,Fog,a horn,"CU, low",4\n')
    assert shot == {
        "shot_id": 3,
        "description": "Fog",
        "sound": "a horn",
        "camera": {"size": "CU", "angle": "low"},
        "duration": 4,
    }


def test_words_of_the_camera_are_kept_beside_columns_of_its_parts() -> None:
    text = 'shot,prompt,duration,camera,size\n1,x,2,"low, 35mm",CU\n2,x,2,Alexa,CU\n'
    assert [shot.given()["camera"] for shot in read(text).shots] == [
        {"angle": "low", "lens": "35mm", "size": "CU"},
        {"size": "CU"},
    ]
    assert shots(text)[1]["camera text"] == "Alexa"


def test_a_formula_without_a_value_is_a_fault_in_any_field() -> None:
    made = faults("shot,prompt,duration,size,reference\n1,#N/A,3,CU,a.jpg\n2,x,#REF!,#WERT!,#NAME?\n")
    remedy = "a formula without a value: mend the formula, or write the value itself"
    assert made == [
        f'row 2 (shot_id 1), prompt: "#N/A": {remedy}',
        f'row 3 (shot_id 2), reference 1, url: "#NAME?": {remedy}',
        f'row 3 (shot_id 2), duration: "#REF!": {remedy}',
        f'row 3 (shot_id 2), size: "#WERT!": {remedy}',
    ]


def test_a_log_of_takes_is_read_as_takes_to_render_and_said() -> None:
    assert read("Scene,Shot,Description,Length,Takes\n12,12A,Fog,4,7\n12,12B,A hand,2,3\n").notices == (
        'the column "Takes" is read as takes to render: 10 in all; rename it if it counts recorded takes',
    )
    assert read("shot,prompt,duration,takes\n1,x,1,2\n").notices == ()
