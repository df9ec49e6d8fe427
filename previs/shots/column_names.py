"""List the names of columns in many languages, and the words of rows that sum up; pure.

Of two columns with names of one field, the one whose name stands first here is read: if a sheet has both 景别 and
画面景别, the second is kept as an unknown column. English and Chinese names come first, then other languages.
"""

from typing import Final

NAMES: Final = {
    "shot_id": "shotid shotcode shotnumber shotno shotnum shot id 镜头编号 镜头号 镜号 分镜号 镜头id 镜头 分镜 编号 "
    "鏡頭編號 鏡頭號 鏡號 分鏡號 鏡頭 分鏡 編號 | 镜次 鏡次",
    "prompt": "prompt positiveprompt imageprompt aiprompt 提示词 正向提示词 正面提示词 ai提示词 ai绘画提示词 "
    "绘画提示词 绘图提示词 生图提示词 文生图提示词 图片提示词 画面提示词 英文提示词 "
    "提示詞 正向提示詞 ai提示詞 ai繪圖提示詞 繪圖提示詞 畫面提示詞 英文提示詞",
    "description": "description action desc 画面描述 画面内容 描述 内容 画面 动作 剧情 "
    "畫面描述 畫面內容 內容 畫面 動作 劇情 | shotdescription actiondescription visualdescription actionnotes visual "
    "visuals subject",
    "camera": "camera 镜头语言 摄影机 鏡頭語言 攝影機",
    "size": "shotsize size framing fieldsize 景别 画面景别 镜头景别 景別 鏡頭景別 | shottype",
    "angle": "angle cameraangle shotangle 角度 拍摄角度 镜头角度 机位 视角 拍攝角度 鏡頭角度 機位 視角 | 镜位 鏡位",
    "movement": "movement cameramovement cameramove move 运镜 镜头运动 运动 摄法 运镜方式 拍摄手法 "
    "運鏡 鏡頭運動 運動 攝法 運鏡方式 拍攝手法",
    "lens": "lens focallength 焦段 焦距 镜头焦段 鏡頭焦段",
    "dialogue": "dialogue dialog lines 台词 对白 对话 对白台词 台词对白 台詞 對白 對話",
    "sound": "sound audio sfx soundeffects 音效 声音 音乐音效 聲音 音樂音效",
    "scene": "scene sceneno scenenumber | scenenum",
    "cast": "cast characters character actors 角色 人物 出场人物 演员 出場人物 演員",
    "location": "location locations set 地点 场景 拍摄地点 地點 場景 拍攝地點",
    "time_of_day": "timeofday daynight dn 日夜 时间段 時間段",
    "transition": "transition 转场 过渡 轉場 過渡",
    "style": "style 风格 画风 風格 畫風",
    "workflow": "workflow 工作流",
    "passes": "passes 工序",
    "references": "references reference refs ref referenceimages referenceimage 参考图 参考图片 参考图像 参考 "
    "參考圖 參考圖片 參考",
    "reference_role": "referencerole role 参考用途 参考图用途 用途",
    "reference_strength": "referencestrength strength 参考强度 参考图强度 参考权重",
    "duration": "duration durationseconds durationsec seconds length 时长 镜头时长 持续时间 秒数 长度 "
    "時長 鏡頭時長 持續時間 秒數 長度 时间 時間 | estimatedduration estduration shotduration shotlength screentime "
    "sec secs 秒+コマ 秒コマ",
    "frames": "| nbframes numberofframes numframes framecount durationframes cutduration frameduration frames "
    "帧数 总帧数 幀數",
    "fps": "| fps framerate framespersecond 帧率 幀率",
    "negative_prompt": "negativeprompt negative 负面提示词 负向提示词 反向提示词 反面提示词 負面提示詞 負向提示詞",
    "seed": "seed 种子 随机种子 种子值",
    "takes": "takes 条数 次数 生成次数 生成张数",
    "qc": "qc frameqc 画面检查 畫面檢查",
    "width": "width 宽度 宽",
    "height": "height 高度 高",
    "sequence": "sequence seq 场次 场号 序列 场 場次 場號 場 | sequencename sequencecode parent",
    "notes": "notes note remarks remark comments comment 备注 注释 说明 備註 註釋 說明",
}
"""Names of each field in English and Chinese, as ``columns.plain_name`` returns them.

No other name counts as a slip of the pen for one of those behind ``|``, or is compared with them.
"""

OTHER_NAMES: Final = """
shot_id         | カット カット番号 カットno ショット ショット番号 cutno | 컷 컷번호 샷 샷번호 숏 쇼트 씬컷 |
                 einstellung einstellungsnr einstellungsnummer einstnr bildnr | plan plann numerodeplan ndeplan nplan
                 planno | plano numerodeplano ndeplano toma | кадр номеркадра кадрno план номерплана |
                 enquadramento numerodoplano nplano | inquadratura numeroinquadratura ninquadratura inq inqn ninq
prompt          | プロンプト | 프롬프트 | bildprompt | | | промпт промт | |
description     | アクション 画面説明 動き | 내용 화면 화면내용 화면설명 설명 액션 묘사 | beschreibung
                 bildbeschreibung handlung bildinhalt inhalt | action contenu descriptiondelaction |
                 descripcion descripciondelaaccion accion | описание действие
                 содержание содержаниекадра | descricao descricaodaacao acao | descrizione
                 descrizionedellazione azione contenuto
camera          | カメラ | 카메라 | kamera | | camara | камера | |
size            | サイズ ショットサイズ | 샷사이즈 사이즈 화면크기 | einstellungsgrosse | valeurdeplan valeur
                 cadrage echelledeplan | tamanodeplano tipodeplano encuadre valordeplano | крупность
                 крупностьплана | tamanhodoplano tipodeplano | campo tipodiinquadratura
angle           | アングル カメラアングル | 앵글 카메라앵글 | kamerawinkel winkel perspektive |
                 angledeprisedevue axe | angulo angulacion | ракурс угол | angulodacamera | angolo angolazione
movement        | カメラワーク カメラの動き | 카메라워크 카메라움직임 카메라무빙 움직임 무빙 | kamerabewegung bewegung |
                 mouvement mouvementdecamera mouvementcamera mvtcamera | movimiento movimientodecamara |
                 движение движениекамеры | movimento movimentodecamera | movimentodimacchina
                 movimentidimacchina movimentodicamera
lens            | レンズ 焦点距離 | 렌즈 | objektiv brennweite | objectif focale optique | lente objetivo optica
                 | объектив фокусное фокусноерасстояние | objetiva | obiettivo ottica
dialogue        | セリフ 台詞 ダイアログ せりふ | 대사 다이얼로그 | dialog dialoge | dialogues | dialogo
                 dialogos | диалог реплики реплика текст | fala falas | battute dialoghi
sound           | 音声 効果音 音 se | 사운드 효과음 음향 소리 | ton gerausche gerausch | son bruitage | sonido
                 audio | звук шумы | som | suono suoni
scene           | シーン シーン番号 シーンno | 씬 씬번호 신 장면 장면번호 | szene szenennr szenennummer | scenen
                 numerodescene nscene | escena numerodeescena nescena esc | сцена номерсцены | cena numerodacena
                 ncena | scena numeroscena nscena
cast            | 登場人物 キャスト キャラクター | 등장인물 출연 출연자 배우 | figuren darsteller rollen |
                 personnages personnage | personajes personaje reparto | персонажи персонаж актеры |
                 personagens personagem elenco | personaggi personaggio
location        | 場所 ロケ地 ロケーション | 장소 로케이션 촬영장소 | drehort ort motiv | lieu decor | lugar
                 localizacion locacion | локация место объект | local localizacao locacao | luogo ambientazione
time_of_day     | 時間帯 昼夜 | 시간대 낮밤 | tageszeit tagnacht | journuit momentdelajournee | momentodeldia
                 dianoche | времясуток | dianoite periododia | giornonotte momentodelgiorno
transition      | トランジション 場面転換 つなぎ | 전환 트랜지션 화면전환 | ubergang uberblendung | raccord |
                 transicion | переход | transicao | transizione
references      | 参考画像 参考資料 リファレンス | 참고이미지 참고 레퍼런스 참조 | referenz referenzen
                 referenzbild | | referencia referencias | референс референсы | imagemdereferencia | riferimento
                 riferimenti
duration        | 尺 時間秒 長さ 秒 | 길이 시간 지속시간 초 러닝타임 | dauer lange sekunden | duree durees
                 secondes | duracion segundos | длительность продолжительность хронометраж секунды хрон |
                 duracao tempo | durata secondi
frames          | フレーム数 コマ数 | 프레임수 | anzahlbilder anzahlframes | nombredimages nbimages | fotogramas
                 | количествокадров | numerodequadros | fotogrammi
negative_prompt | ネガティブプロンプト | 네거티브프롬프트 부정프롬프트 | negativerprompt | promptnegatif |
                 promptnegativo | негативныйпромпт | |
sequence        | シークエンス シーケンス | 시퀀스 | sequenz | | secuencia | эпизод секвенция | sequencia |
                 sequenza
notes           | 備考 メモ 注記 | 비고 메모 노트 | anmerkung anmerkungen bemerkung bemerkungen notiz notizen
                 kommentar | remarque remarques commentaire commentaires | notas nota observaciones comentarios
                 | примечание примечания заметки комментарий | observacoes observacao comentarios | osservazioni
                 commenti
"""
"""Names in Japanese, Korean, German, French, Spanish, Russian, Portuguese, Italian, in this order, without "
    "accents."""

MORE_NAMES: Final = """
shot_id         | shotnr shotnummer | ujecie nrujecia | cekimno | socanhquay cảnhquay sốshot
description     | beschrijving actie | opis akcja | acıklama | nộidung môtả
size            | kader uitsnede shotgrootte | wielkoscplanu plan | cekimolcegi olcek | cỡcảnh
angle           | camerahoek hoek | katkamery | kameraacısı acı | gócmáy
movement        | camerabeweging beweging | ruchkamery | kamerahareketi | chuyểnđộngmáy
lens            | objectief lens | obiektyw | | ốngkính
dialogue        | dialoog tekst | dialog kwestie | diyalog | lờithoại
sound           | geluid | dzwiek | ses | âmthanh
scene           | scene | scena | sahne | cảnh
location        | locatie | lokacja miejsce | mekan | địađiểm bốicảnh
duration        | duur lengte | czastrwania czas dlugosc długość | sure | thờilượng
references      | referentie | referencje | referans | thamchiếu
notes           | opmerkingen opmerking | uwagi | notlar | ghichú
shot_id         | framenumber setup frame panel panelno name 序号 序號 番号 번호 nr no num lp stt
"""
"""Names in Dutch, Polish, Turkish, Vietnamese, in this order; and numbers that count if no other column does."""

SECOND_MEANINGS: Final = {"plan": "size", "план": "size", "plano": "size", "enquadramento": "size"}
"""What words mean beside a better column for their first field: in a sheet with Plano and Enquadramento, the size."""

TOTALS: Final = """
total totals totalduration totaltime totallength subtotal grandtotal sum runtime totalruntime totalrunningtime
合计 总计 总时长 小计 共计 总长 合計 總計 總時長 小計 共計 総計 合計時間 総尺 합계 총계 소계 총길이 총시간
summe gesamt gesamtdauer gesamtlange zwischensumme totalgeneral soustotal dureetotale totaux suma duraciontotal
итого всего общаядлительность общийхронометраж soma duracaototal totalgeral totale subtotale durataotale
duratatotale
"""
"""Words of rows that sum up, as ``columns.plain_name`` returns them."""

NO_SLIPS: Final = """
framein frameout cutin cutout headin tailin headout tailout timespent sceneheading
"""
"""Names of columns of usual tools that are close to a field's name and are no slip of the pen."""
