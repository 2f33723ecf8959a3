"""General sentences from small grammars, for hearing and speaking beyond the subjects. Pure.

A sentence is drawn by filling a pattern's slots from word lists. One sentence in twenty, decided by
its own text, is kept for testing.
"""
# ruff: noqa: E501, RUF001 - word tables; full-width marks are how Chinese is written

import random
import re
from functools import cache

from engine.training.nano.topics import capitalised, is_held_out
from engine.training.nano.voices import Split

_HELD_OUT_ONE_IN = 20

_ENGLISH_WORDS: dict[str, str] = {
    "person": """my mother, my father, my brother, my sister, the teacher, the doctor, the farmer,
        the driver, the captain, the king, the queen, the child, the girl, the boy, my friend,
        our neighbor, the baker, the soldier, the writer, the singer, a young man, an old woman,
        the nurse, the student, my uncle, my aunt, the artist, a stranger, the cook, the judge""",
    "they": """the children, my friends, the students, the workers, the birds, two men, the women,
        many people, our guests, the players, the sailors, his parents, her sisters, we, they""",
    "name": """Peter, Mary, John, Anna, Tom, Lucy, George, Helen, Jack, Emma, Paul, Rose, Henry, Alice,
        Max, Sarah, David, Laura, Frank, Grace""",
    "animal": """dog, cat, horse, rabbit, bird, fox, bear, wolf, mouse, sheep, goat, duck, snake, lion,
        tiger, monkey, elephant, donkey, turtle, owl, eagle, pony""",
    "thing": """book, letter, chair, table, lamp, window, door, bottle, basket, box, picture, clock,
        knife, spoon, plate, cup, bag, coat, hat, shoe, ring, bell, brush, mirror, pencil, candle,
        ladder, hammer, wheel, boat, map, toy, ball, blanket, pillow, umbrella, key, rope, flag,
        machine, camera, drum, guitar, piano, newspaper, ticket, present, stone, shell, feather""",
    "food": """bread, butter, cheese, soup, rice, fish, meat, cake, honey, sugar, salt, milk, tea,
        coffee, fruit, an apple, an egg, a sandwich, some potatoes, some chocolate, a pear,
        some nuts, a cookie, vegetables, ice cream""",
    "place": """the garden, the kitchen, the school, the market, the station, the forest, the village,
        the city, the beach, the river, the bridge, the church, the library, the museum, the office,
        the hospital, the farm, the park, the mountain, the island, the harbor, the castle, the field,
        the theater, the shop, the hotel, the square, the valley, the lake, the desert""",
    "where": """in the garden, near the river, behind the house, under the bridge, on the hill,
        at the station, in the kitchen, by the window, across the street, beside the road,
        in front of the school, at home, outside, upstairs, next to the church, on the roof,
        between the trees, along the shore, inside the box, around the corner""",
    "when": """yesterday, this morning, last night, on Monday, on Sunday, in the evening, after lunch,
        before dinner, last week, at noon, in the spring, during the storm, every day, last summer,
        a year ago, at midnight, in the winter, two days ago, after school, early in the morning""",
    "future": """tomorrow, next week, tonight, soon, in an hour, next year, on Friday, this afternoon,
        after the meeting, before noon, next month, in a few days""",
    "adjective": """small, large, old, new, red, green, blue, yellow, heavy, light, broken, clean, dirty,
        beautiful, strange, simple, empty, wooden, golden, silver, round, warm, cold, cheap, dark,
        bright, soft, sharp, thin, thick, quiet, famous, ancient, modern, useful, perfect""",
    "feeling": """happy, sad, tired, angry, hungry, thirsty, afraid, proud, sick, busy, ready, lonely,
        surprised, nervous, calm, excited, worried, bored, lucky, sleepy""",
    "past": """found, bought, sold, lost, carried, opened, dropped, cleaned, painted, repaired, touched,
        forgot, wanted, needed, brought, took, hid, threw, kept, showed, pulled, pushed, lifted,
        watched, borrowed, measured, ordered, wrapped, chose, admired""",
    "verb": """find, buy, sell, carry, open, clean, paint, repair, bring, take, hide, keep, show, move,
        watch, borrow, return, change, choose, use, wash, fix, check, draw""",
    "did": """walked slowly, ran quickly, waited quietly, sang a song, slept all day, laughed loudly,
        stood still, danced together, worked hard, played a game, told a story, asked a question,
        looked around, fell down, began to cry, made a noise, smiled, spoke softly, turned away,
        drove home, climbed a tree, read a poem, built a wall, cooked dinner, swam for an hour""",
    "weather": """raining, snowing, cloudy, sunny, windy, cold, warm, very hot, foggy, dark, freezing,
        wet, pleasant""",
    "number": """two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fifteen,
        twenty, thirty, forty, fifty, a hundred""",
    "many": """books, letters, apples, chairs, horses, flowers, trees, houses, boats, stars, shoes,
        pictures, stones, questions, songs, bottles, candles, islands, bridges, windows, eggs,
        coins, stories, clouds, teeth, pages, roses, brothers, cousins, sheep""",
    "idea": """the truth, the answer, the weather, the music, the price, our plan, your idea, the story,
        the weekend, the future, this problem, the war, peace, love, freedom, good luck, science,
        history, nature, health, time, money, friendship, justice, courage, the language""",
    "adverb": """slowly, quickly, quietly, carefully, suddenly, always, never, often, sometimes, again,
        together, perhaps, really, nearly, finally, gently, usually""",
}

_ENGLISH_PATTERNS = """
{person} {past} the {adjective} {thing} {when}.|{person} {past} a {thing} {where}.
{name} {past} the {thing} and {did}.|{they} {did} {where}.|{name} {did} {when}.
The {adjective} {thing} is {where}.|The {animal} {did} {where}.|A {animal} and a {animal} {did}.
There are {number} {many} {where}.|I saw {number} {adjective} {many} {when}.
Please {verb} the {thing} {future}.|Could you {verb} this {adjective} {thing}?
{name} will {verb} the {thing} {future}.|I want to {verb} a {adjective} {thing}.
We ate {food} and {food} {when}.|{person} likes {food} with {food}.|Do you want {food} or {food}?
It was {weather} {when}.|It will be {weather} {future}.|{name} was {feeling} {when}.
{person} is very {feeling} today.|Why are you so {feeling}?|Are {name} and {name} {feeling}?
Where did you see the {animal}?|Who {past} my {thing}?|When will {name} {verb} the {thing}?
We went to {place} {when}.|The road goes from {place} to {place}.|{they} live near {place}.
Nobody knows {idea}.|{person} was talking about {idea}.|I often think about {idea}.
{idea} is more important than {idea}.|{name} {adverb} {past} the {thing}.|They {adverb} talk about {idea}.
If it is {weather}, we will stay {where}.|When I was {feeling}, I {did}.|{name} gave me {number} {many}.
My {thing} is {adjective}, but yours is {adjective}.|The {thing} costs {number} dollars.
Look at that {adjective} {animal} {where}!|How {adjective} this {thing} is!|Don't {verb} the {thing}.
{person} said that {they} {did}.|Because it was {weather}, {name} {did}.|Let us go to {place} {future}.
""".replace("\n", "|")

_MANDARIN_WORDS: dict[str, str] = {
    "人": """我 你 他 她 我们 他们 妈妈 爸爸 哥哥 姐姐 弟弟 妹妹 老师 医生 朋友 同学 爷爷 奶奶 叔叔 阿姨
        司机 农民 工人 经理 孩子 邻居 小明 小红 老王 张先生 李小姐 客人 学生 护士 记者 老板""",
    "时": """昨天 今天 明天 早上 晚上 中午 下午 上个月 去年 今年 明年 星期一 星期五 周末 春天 夏天 秋天
        冬天 刚才 现在 每天 有时候 从前 前天 后天 半夜 放学以后 吃饭以前""",
    "处": """家里 学校 公园 商店 医院 图书馆 火车站 机场 饭店 厨房 房间 教室 办公室 银行 海边 山上 河边
        桥上 门口 车上 路上 森林里 村子里 城市里 花园里 电影院 博物馆 动物园 楼下 窗前""",
    "物": """书 桌子 椅子 杯子 电脑 手机 衣服 帽子 鞋子 钥匙 雨伞 报纸 照片 礼物 电视 自行车 汽车 飞机
        船 灯 门 窗户 床 钟 眼镜 铅笔 本子 地图 盒子 瓶子 篮子 毛巾 镜子 相机 吉他 钢琴 玩具 球 画 信
        票 药 花 树 石头 机器 箱子 被子 刀 碗""",
    "食": """米饭 面条 饺子 包子 面包 鸡蛋 牛肉 鱼 豆腐 白菜 苹果 香蕉 西瓜 葡萄 牛奶 茶 咖啡 果汁 水 糖
        蛋糕 汤 土豆 玉米 梨 桃子 巧克力 饼干""",
    "兽": """狗 猫 马 牛 羊 猪 鸡 鸭子 兔子 老虎 狮子 熊猫 大象 猴子 鸟 鱼 蛇 老鼠 狼 狐狸 鹿 青蛙 乌龟""",
    "形": """大 小 新 旧 红色 蓝色 绿色 黄色 白色 黑色 漂亮 干净 便宜 奇怪 简单 特别 重要 有名 古老 好看
        有趣 普通 舒服 方便 安全""",
    "情": """高兴 难过 生气 累 忙 饿 着急 害怕 满意 奇怪 紧张 开心 孤单 感动 失望 放心 冷 热 困 激动""",
    "动": """买 卖 找 拿 放 洗 修 画 送 借 看 用 搬 打开 收拾 检查 准备 喜欢 需要 忘记 介绍 研究 保护 选择
        喜爱 丢掉""",
    "做": """唱歌 跳舞 游泳 跑步 睡觉 吃饭 工作 学习 看书 写字 画画 聊天 休息 开会 做饭 打球 爬山 旅游
        上网 听音乐 看电影 讲故事 喝茶 散步 骑马 照相 考试 洗澡""",
    "数": """一 两 三 四 五 六 七 八 九 十 十二 十五 二十 三十 一百""",
    "事": """历史 科学 音乐 天气 问题 消息 计划 经济 文化 语言 数学 艺术 健康 时间 生活 和平 爱情 友谊
        自由 未来 世界 自然 环境 教育 新闻 比赛 梦想""",
    "候": """下雨 下雪 刮风 晴天 阴天 很冷 很热 很凉快 有雾 打雷""",
    "副": """慢慢地 很快地 安静地 认真地 高兴地 经常 总是 从来不 已经 正在 一起 忽然 终于 又 也 都 常常""",
}

_MANDARIN_PATTERNS = """
{人}{时}在{处}{做}。|{人}想{动}这个{形}的{物}。|{人}{时}{动}了一些{物}。|{人}和{人}一起去{处}{做}。
{处}有{数}个{形}的{物}。|那只{兽}在{处}睡着了。|{人}看见{数}只{兽}在{处}。|这个{物}很{形}。
请把{物}放在{处}。|你能帮我{动}{物}吗？|{人}为什么这么{情}？|{人}{时}很{情}。|{时}会{候}吗？
{时}{候}，我们不出去了。|{人}喜欢吃{食}和{食}。|你要{食}还是{食}？|{人}不吃{食}，只吃{食}。
{人}{副}{做}。|{人}{副}谈{事}。|{人}觉得{事}比{事}重要。|我想知道{事}的答案。|谁拿走了我的{物}？
从{处}到{处}要{数}分钟。|{人}花了{数}块钱买{物}。|如果{候}，{人}就在{处}{做}。|{人}一边{做}一边{做}。
{时}我去{处}，遇到了{人}。|别忘了带{物}。|{人}告诉我，{人}{时}要来。|{人}对{事}很有兴趣。
这里的{食}真好吃！|多么{形}的{物}啊！|{人}送给{人}{数}本书。|因为很{情}，{人}没有{做}。|{兽}比{兽}大吗？
{人}正在{处}等{人}。|我从来没有见过这么{形}的{物}。|{人}的{物}在哪里？|{时}的{事}让{人}很{情}。
""".replace("\n", "|")


def draw_sentence(lang: str, split: Split, rng: random.Random) -> str:
    """One random sentence of a split."""
    while True:
        sentence = _draw(lang, rng)
        if is_held_out(sentence, _HELD_OUT_ONE_IN) is (split is Split.TEST):
            return sentence


@cache
def sentences(lang: str, split: Split, count: int = 1500) -> tuple[str, ...]:
    """The first ``count`` different sentences of a split, the same on every call and machine."""
    rng = random.Random(f"{lang} {split}")
    found: dict[str, None] = {}
    while len(found) < count:
        found.setdefault(draw_sentence(lang, split, rng))
    return tuple(found)


def _draw(lang: str, rng: random.Random) -> str:
    patterns, slots = _grammar(lang)
    pattern = rng.choice(patterns)
    used: set[str] = set()

    def fill(slot: re.Match[str]) -> str:
        word = rng.choice([w for w in slots[slot[1]] if w not in used])
        used.add(word)
        return word

    sentence = re.sub(r"\{(\w+)\}", fill, pattern)
    if lang == "zh":
        return sentence
    return capitalised(re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", sentence))


@cache
def _grammar(lang: str) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    patterns = _MANDARIN_PATTERNS if lang == "zh" else _ENGLISH_PATTERNS
    table = _MANDARIN_WORDS if lang == "zh" else _ENGLISH_WORDS
    slots = {
        slot: tuple(words.split() if lang == "zh" else " ".join(words.split()).split(", "))
        for slot, words in table.items()
    }
    return tuple(p for p in patterns.split("|") if p), slots
