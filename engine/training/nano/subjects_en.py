"""The English subjects nano knows: every question, its wordings and its answer. Data only, pure.

Long because it is a table: a subject needs its words, its wordings and its answers side by side.
"""
# ruff: noqa: E501 - word tables

from engine.training.nano.numerals import english_number
from engine.training.nano.topics import Item, Topic, is_held_out

WEIGHTS: dict[str, float] = {
    **{"sums": 5.0, "differences": 3.0, "products": 3.0, "capitals": 2.5, "opposites": 2.0},
    **{"colors": 1.5, "calendar": 2.0, "counting": 1.5, "spelling": 1.5, "animals": 1.5},
    **{"facts": 2.0, "jokes": 0.8, "poems": 0.6, "talk": 2.5, "unknown": 2.0},
}

_CAPITALS = """France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Greece Athens,
Austria Vienna, Hungary Budapest, Poland Warsaw, Russia Moscow, Sweden Stockholm, Norway Oslo,
Denmark Copenhagen, Finland Helsinki, Ireland Dublin, England London, Scotland Edinburgh,
Belgium Brussels, Turkey Ankara, Egypt Cairo, Kenya Nairobi, Israel Jerusalem, Iran Tehran,
Iraq Baghdad, China Beijing, Japan Tokyo, India Delhi, Thailand Bangkok, Vietnam Hanoi,
Australia Canberra, Canada Ottawa, Cuba Havana, Chile Santiago, Peru Lima, Ukraine Kiev"""

_OPPOSITES = """hot cold, big small, tall short, fast slow, old young, good bad, happy sad, light dark,
open closed, up down, left right, in out, on off, day night, wet dry, hard soft, high low, rich poor,
strong weak, early late, empty full, near far, first last, black white, clean dirty, loud quiet,
thick thin, long short, true false, push pull, win lose, love hate, begin end, above below,
inside outside, always never"""

_COLORS = """the sky|blue, grass|green, snow|white, coal|black, a lemon|yellow, an orange|orange,
a banana|yellow, blood|red, milk|white, chocolate|brown, a strawberry|red, a tomato|red,
a frog|green, an elephant|gray, a polar bear|white, the sun|yellow, a cucumber|green, gold|yellow,
a crow|black, a carrot|orange"""

_SOUNDS = """dog woof, cat meow, cow moo, duck quack, sheep baa, lion roar, bee buzz,
bird tweet, owl hoot, snake hiss, wolf howl, mouse squeak"""

_YOUNG = """dog puppy, cat kitten, cow calf, sheep lamb, horse foal, pig piglet, bear cub, duck duckling,
goat kid, chicken chick, deer fawn, frog tadpole"""

_SPELLED = """cat dog sun moon fish bird tree book milk door hand star rain snow cake lamp ship frog
house water apple bread green happy music paper plant river stone table"""

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_FACTS: tuple[tuple[tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (
        ("How many days are in a week?", "How many days does a week have?"),
        ("Tell me how many days are in a week.",),
        *("There are seven days in a week.", "seven days"),
    ),
    (
        ("How many months are in a year?", "How many months does a year have?"),
        ("Tell me how many months are in a year.",),
        *("There are twelve months in a year.", "twelve months"),
    ),
    (
        ("How many hours are in a day?", "How many hours does a day have?"),
        ("Tell me how many hours are in a day.",),
        *("There are twenty four hours in a day.", "twenty four"),
    ),
    (
        ("How many minutes are in an hour?", "How many minutes does an hour have?"),
        ("Tell me how many minutes are in an hour.",),
        *("There are sixty minutes in an hour.", "sixty minutes"),
    ),
    (
        ("How many seconds are in a minute?", "How many seconds does a minute have?"),
        ("Tell me how many seconds are in a minute.",),
        *("There are sixty seconds in a minute.", "sixty seconds"),
    ),
    (
        ("How many seasons are there?", "How many seasons are in a year?"),
        ("How many seasons does a year have?",),
        *("There are four seasons.", "four seasons"),
    ),
    (
        ("How many legs does a spider have?", "How many legs are on a spider?"),
        ("Tell me how many legs a spider has.",),
        *("A spider has eight legs.", "eight legs"),
    ),
    (
        ("How many legs does an insect have?", "How many legs does an ant have?"),
        ("Tell me how many legs an insect has.",),
        *("An insect has six legs.", "six legs"),
    ),
    (
        ("How many legs does a dog have?", "How many legs are on a dog?"),
        ("Tell me how many legs a dog has.",),
        *("A dog has four legs.", "four legs"),
    ),
    (
        ("How many fingers are on a hand?", "How many fingers does a hand have?"),
        ("Tell me how many fingers are on a hand.",),
        *("A hand has five fingers.", "five fingers"),
    ),
    (
        ("How many sides does a triangle have?", "How many sides are in a triangle?"),
        ("Tell me how many sides a triangle has.",),
        *("A triangle has three sides.", "three sides"),
    ),
    (
        ("How many sides does a square have?", "How many sides are in a square?"),
        ("Tell me how many sides a square has.",),
        *("A square has four sides.", "four sides"),
    ),
    (
        ("How many letters are in the alphabet?", "How many letters does the alphabet have?"),
        ("Tell me how many letters are in the alphabet.",),
        *("The alphabet has twenty six letters.", "twenty six letters"),
    ),
    (
        ("How many planets are there?", "How many planets go around the sun?"),
        ("Tell me how many planets there are.",),
        *("There are eight planets.", "eight planets"),
    ),
    (
        ("How many continents are there?", "How many continents are on the earth?"),
        ("Tell me how many continents there are.",),
        *("There are seven continents.", "seven continents"),
    ),
    (
        ("What is the biggest planet?", "Which planet is the biggest?"),
        ("What is the largest planet?",),
        *("The biggest planet is Jupiter.", "Jupiter"),
    ),
    (
        ("What planet do we live on?", "Which planet do we live on?"),
        ("On what planet do we live?",),
        *("We live on the planet Earth.", "Earth"),
    ),
    (
        ("What is the biggest ocean?", "Which ocean is the biggest?"),
        ("What is the largest ocean?",),
        *("The biggest ocean is the Pacific.", "Pacific"),
    ),
    (
        ("What is the highest mountain?", "Which mountain is the highest?"),
        ("What is the highest mountain in the world?",),
        *("The highest mountain is Everest.", "Everest"),
    ),
    (
        ("What is the biggest animal?", "Which animal is the biggest?"),
        ("What is the biggest animal in the world?",),
        *("The biggest animal is the blue whale.", "blue whale"),
    ),
    (
        ("What is the fastest animal?", "Which animal is the fastest?"),
        ("What is the fastest animal in the world?",),
        *("The fastest animal is the cheetah.", "cheetah"),
    ),
    (
        ("What is the tallest animal?", "Which animal is the tallest?"),
        ("What is the tallest animal in the world?",),
        *("The tallest animal is the giraffe.", "giraffe"),
    ),
    (
        ("What do bees make?", "What does a bee make?"),
        ("Tell me what bees make.",),
        *("Bees make honey.", "honey"),
    ),
    (
        ("What do cows give us?", "What do we get from cows?"),
        ("Tell me what cows give us.",),
        *("Cows give us milk.", "milk"),
    ),
    (
        ("What is ice made of?", "What is ice?"),
        ("Tell me what ice is made of.",),
        *("Ice is frozen water.", "frozen water"),
    ),
    (
        ("Where does the sun rise?", "Where does the sun come up?"),
        ("Tell me where the sun rises.",),
        *("The sun rises in the east.", "east"),
    ),
    (
        ("Where does the sun set?", "Where does the sun go down?"),
        ("Tell me where the sun sets.",),
        *("The sun sets in the west.", "west"),
    ),
    (
        ("What comes after winter?", "Which season comes after winter?"),
        ("What season follows winter?",),
        *("Spring comes after winter.", "spring"),
    ),
    (
        ("What comes after summer?", "Which season comes after summer?"),
        ("What season follows summer?",),
        *("Autumn comes after summer.", "autumn"),
    ),
    (
        ("What do plants need?", "What does a plant need?"),
        ("Tell me what plants need.",),
        *("Plants need light and water.", "light and water"),
    ),
    (
        ("Who wrote Hamlet?", "Who is the writer of Hamlet?"),
        ("Tell me who wrote Hamlet.",),
        *("Shakespeare wrote Hamlet.", "Shakespeare"),
    ),
)

_JOKES = (
    ("cat", "What is a cat's favorite color? Purple.", "purple"),
    ("dog", "What do you call a cold dog? A chilly dog.", "chilly dog"),
    ("fish", "Why are fish so smart? They live in schools.", "schools"),
    ("bear", "What do you call a bear with no teeth? A gummy bear.", "gummy bear"),
    ("cow", "Where do cows go on Friday? To the movies.", "movies"),
    ("clock", "Why was the clock so tired? It worked all night.", "worked all night"),
)

_POEMS = (
    ("moon", "Moon so bright, moon so high, silver boat across the sky.", "silver boat"),
    ("rain", "Rain on the roof, rain on the tree, rain sings a quiet song to me.", "quiet song"),
    ("sea", "The sea is wide, the sea is blue, it brings a little wave to you.", "little wave"),
    (
        "spring",
        "Spring is here, the birds all sing, flowers wake to welcome spring.",
        "flowers wake",
    ),
)

_TALK: tuple[tuple[tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (
        ("Hello.", "Hello there.", "Hi.", "Hi there.", "Hello Parley."),
        ("Hi Parley.", "Oh, hello."),
        *("Hello! How can I help you?", "hello"),
    ),
    (
        ("Good morning.", "Good morning to you.", "Good morning Parley."),
        ("A good morning to you.",),
        *("Good morning! I hope you slept well.", "good morning"),
    ),
    (
        ("Good evening.", "Good evening to you.", "Good evening Parley."),
        ("A good evening to you.",),
        *("Good evening! How was your day?", "good evening"),
    ),
    (
        ("Good night.", "Good night to you.", "Good night Parley.", "I am going to bed."),
        ("I am going to sleep.",),
        *("Good night! Sleep well.", "good night"),
    ),
    (
        ("How are you?", "How are you today?", "How are you doing?", "How do you feel?"),
        ("How do you feel today?", "Tell me how you are."),
        *("I am fine, thank you.", "fine"),
    ),
    (
        ("Who are you?", "What is your name?", "Tell me your name.", "What are you called?"),
        ("Who am I talking to?", "Please tell me your name."),
        *("I am Parley, a little voice.", "Parley"),
    ),
    (
        ("What can you do?", "What do you know?", "How can you help me?", "What are you good at?"),
        ("Tell me what you can do.", "What can you help me with?"),
        *("I can add, spell, count, and tell jokes.", "add spell count"),
    ),
    (
        ("Thank you.", "Thanks.", "Thank you very much.", "Thanks a lot."),
        ("Thank you so much.", "Many thanks."),
        *("You are welcome.", "welcome"),
    ),
    (
        ("Goodbye.", "Bye.", "Bye bye.", "See you later.", "See you tomorrow."),
        ("Goodbye Parley.", "See you soon."),
        *("Goodbye! See you soon.", "goodbye"),
    ),
    (
        ("Where do you live?", "Where are you?", "Where is your home?", "Where do you come from?"),
        ("Tell me where you live.",),
        *("I live inside your computer.", "computer"),
    ),
    (
        ("How old are you?", "What is your age?", "When were you born?"),
        ("Tell me how old you are.",),
        *("I am very young.", "young"),
    ),
    (
        ("Are you a robot?", "Are you a machine?", "Are you human?", "Are you a person?"),
        ("Are you a real person?",),
        *("I am a small computer program.", "program"),
    ),
    (
        ("Who made you?", "Who built you?", "Who is your maker?"),
        ("Tell me who made you.",),
        *("People who love speech made me.", "people"),
    ),
    (
        ("Do you like music?", "Do you love music?", "Do you listen to music?"),
        ("Tell me, do you like music?",),
        *("Yes, I love music.", "love music"),
    ),
    (
        ("Are you happy?", "Are you happy today?", "Do you feel happy?"),
        ("Tell me, are you happy?",),
        *("Yes, I am happy to talk.", "happy"),
    ),
    (
        ("I am sad.", "I feel sad.", "I am sad today.", "I am not happy."),
        ("I feel so sad today.",),
        *("I am sorry. Tomorrow will be better.", "sorry"),
    ),
    (
        ("I am happy.", "I feel happy.", "I am happy today.", "I feel good."),
        ("I feel so happy today.",),
        *("That is good to hear.", "good to hear"),
    ),
    (
        ("I am tired.", "I feel tired.", "I am tired today.", "I am so tired."),
        ("I feel so tired today.",),
        *("Take a little rest.", "rest"),
    ),
    (
        ("I am hungry.", "I feel hungry.", "I am so hungry.", "I want to eat."),
        ("I feel so hungry today.",),
        *("Have something good to eat.", "eat"),
    ),
    (
        ("I love you.", "I like you.", "I love you Parley.", "I like you very much."),
        ("I love you very much.",),
        *("You are very kind.", "kind"),
    ),
    (
        ("Can you hear me?", "Do you hear me?", "Are you there?", "Are you listening?"),
        ("Tell me, can you hear me?",),
        *("Yes, I can hear you.", "hear you"),
    ),
    (
        ("What languages do you speak?", "Which languages do you know?", "Do you speak Chinese?"),
        ("Tell me what languages you speak.",),
        *("I speak English and Chinese.", "English and Chinese"),
    ),
    (
        ("Nice to meet you.", "It is nice to meet you.", "I am glad to meet you."),
        ("It is good to meet you.",),
        *("Nice to meet you too.", "nice to meet you"),
    ),
    (
        ("Today is my birthday.", "It is my birthday.", "It is my birthday today."),
        ("My birthday is today.",),
        *("Happy birthday to you!", "birthday"),
    ),
    (
        ("Are you hungry?", "Do you eat?", "What do you eat?", "What is your favorite food?"),
        ("Tell me what you eat.",),
        *("I only eat words.", "words"),
    ),
    (
        (
            "What is your favorite color?",
            "Which color do you like?",
            "What color do you like best?",
        ),
        ("Tell me your favorite color.",),
        *("My favorite color is blue.", "blue"),
    ),
)

_UNKNOWN_ASKS = (
    "What is the weather in {place}?",
    "What time is it in {place}?",
    "Where is my {thing}?",
    "How much does a {thing} cost?",
    "Who stole the {thing}?",
    "When does the train to {place} leave?",
    "What did {person} say last night?",
    "Will {person} come tomorrow?",
    "Where did {person} put the {thing}?",
    "Who will win the game in {place}?",
    "What is {person} doing now?",
    "How do I repair a {thing}?",
)
_UNKNOWN_TEST_ASKS = (
    "Where can I buy a {thing}?",
    "What is the news from {place}?",
    "Why is {person} late?",
)
_PLACES = [
    "Boston",
    "Chicago",
    "Texas",
    "Florida",
    "Denver",
    "Hawaii",
    "Mexico",
    "Dallas",
    "Alaska",
    "Oregon",
]
_THINGS = [
    "key",
    "phone",
    "bicycle",
    "camera",
    "watch",
    "hammer",
    "jacket",
    "guitar",
    "radio",
    "wallet",
    "ticket",
    "engine",
]
_PEOPLE = [
    "Peter",
    "Mary",
    "Susan",
    "David",
    "Robert",
    "Linda",
    "George",
    "Helen",
    "Daniel",
    "Emma",
]


def topics() -> tuple[Topic, ...]:
    """All English topics."""
    return (
        *_arithmetic(),
        *_knowledge(),
        *_calendar(),
        *_counting(),
        _spelling(),
        *(Topic("facts", asks, tests, answer, key) for asks, tests, answer, key in _FACTS),
        *_entertainment(),
        *(Topic("talk", asks, tests, answer, key) for asks, tests, answer, key in _TALK),
        _unknown(),
    )


def _arithmetic() -> tuple[Topic, ...]:
    def pairs(word: str, most: int) -> list[tuple[int, int, str]]:
        return [(a, b, f"{a} {word} {b}") for a in range(most + 1) for b in range(most + 1)]

    def items(triples: list[tuple[int, int, int, str]], held: bool) -> tuple[Item, ...]:
        return tuple(
            {"a": english_number(a), "b": english_number(b), "c": english_number(c)}
            for a, b, c, name in triples
            if is_held_out(name) is held
        )

    sums = [(a, b, a + b, name) for a, b, name in pairs("plus", 20)]
    differences = [(a, b, a - b, name) for a, b, name in pairs("minus", 20) if a >= b]
    products = [(a, b, a * b, name) for a, b, name in pairs("times", 12)]
    return (
        Topic(
            "sums",
            (
                *("What is {a} plus {b}?", "How much is {a} plus {b}?", "What's {a} plus {b}?"),
                *("{a} plus {b}.", "Add {a} and {b}.", "What is the sum of {a} and {b}?"),
                *("Can you add {a} and {b}?", "Please add {b} to {a}."),
                *("Tell me what {a} plus {b} is.", "What does {a} plus {b} make?"),
            ),
            ("Do you know what {a} plus {b} is?", "Please tell me the sum of {a} and {b}."),
            *("{a} plus {b} is {c}.", "is {c}"),
            items(sums, False),
            items(sums, True),
        ),
        Topic(
            "differences",
            (
                *("What is {a} minus {b}?", "How much is {a} minus {b}?", "What's {a} minus {b}?"),
                *("{a} minus {b}.", "Take {b} from {a}.", "Can you take {b} from {a}?"),
                *("Tell me what {a} minus {b} is.", "What does {a} minus {b} make?"),
            ),
            ("Do you know what {a} minus {b} is?", "Please take {b} from {a}."),
            *("{a} minus {b} is {c}.", "is {c}"),
            items(differences, False),
            items(differences, True),
        ),
        Topic(
            "products",
            (
                *("What is {a} times {b}?", "How much is {a} times {b}?", "What's {a} times {b}?"),
                *("{a} times {b}.", "Multiply {a} by {b}.", "Can you multiply {a} by {b}?"),
                *("Tell me what {a} times {b} is.", "What does {a} times {b} make?"),
            ),
            ("Do you know what {a} times {b} is?", "Please multiply {a} by {b}."),
            *("{a} times {b} is {c}.", "is {c}"),
            items(products, False),
            items(products, True),
        ),
    )


def _pairs(table: str, first: str, second: str, separator: str = " ") -> tuple[Item, ...]:
    rows = (row.split(separator) for row in " ".join(table.split()).split(", "))
    return tuple({first: a.strip(), second: b.strip()} for a, b in rows)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _knowledge() -> tuple[Topic, ...]:
    opposites = _pairs(_OPPOSITES, "word", "other")
    both_ways = {(i["word"], i["other"]): i for i in opposites}
    for item in opposites:
        if not any(i["word"] == item["other"] for i in opposites):
            both_ways.setdefault(
                (item["other"], ""), {"word": item["other"], "other": item["word"]}
            )
    sounds = tuple(
        {**item, "animal": _article(item["animal"])} for item in _pairs(_SOUNDS, "animal", "sound")
    )
    young = tuple(
        {"animal": i["animal"], "young": _article(i["young"])}
        for i in _pairs(_YOUNG, "animal", "young")
    )
    return (
        Topic(
            "capitals",
            (
                *("What is the capital of {country}?", "What's the capital of {country}?"),
                *("Tell me the capital of {country}.", "Which city is the capital of {country}?"),
                *("Do you know the capital of {country}?", "The capital of {country}, please."),
            ),
            ("Can you tell me the capital of {country}?", "What city is the capital of {country}?"),
            *("The capital of {country} is {city}.", "{city}"),
            _pairs(_CAPITALS, "country", "city"),
        ),
        Topic(
            "opposites",
            (
                *("What is the opposite of {word}?", "What's the opposite of {word}?"),
                *("Tell me the opposite of {word}.", "What word is the opposite of {word}?"),
                "The opposite of {word}, please.",
            ),
            ("Do you know the opposite of {word}?", "Can you tell me the opposite of {word}?"),
            *("The opposite of {word} is {other}.", "is {other}"),
            tuple(both_ways.values()),
        ),
        Topic(
            "colors",
            (
                *("What color is {thing}?", "Tell me the color of {thing}."),
                *("What is the color of {thing}?", "Which color does {thing} have?"),
            ),
            ("Do you know the color of {thing}?", "What color does {thing} have?"),
            *("{thing} is {color}.", "{color}"),
            _pairs(_COLORS, "thing", "color", "|"),
        ),
        Topic(
            "animals",
            (
                *("What does {animal} say?", "What sound does {animal} make?"),
                *("Which sound does {animal} make?", "Tell me what {animal} says."),
            ),
            ("Do you know what {animal} says?", "What is the sound of {animal}?"),
            *("{animal} says {sound}.", "says {sound}"),
            sounds,
        ),
        Topic(
            "animals",
            (
                *("What is a baby {animal} called?", "What do you call a baby {animal}?"),
                "Tell me the name of a baby {animal}.",
            ),
            ("What is the name of a baby {animal}?",),
            *("A baby {animal} is {young}.", "is {young}"),
            young,
        ),
    )


def _calendar() -> tuple[Topic, ...]:
    found = []
    for unit, names in (("day", _DAYS), ("month", _MONTHS)):
        items = tuple(
            {"name": name, "after": names[(i + 1) % len(names)], "before": names[i - 1]}
            for i, name in enumerate(names)
        )
        for side in ("after", "before"):
            found.append(
                Topic(
                    "calendar",
                    (
                        f"What {unit} comes {side} {{name}}?",
                        f"Which {unit} comes {side} {{name}}?",
                        f"What comes {side} {{name}}?",
                        f"Tell me the {unit} {side} {{name}}.",
                        f"Which {unit} is {side} {{name}}?",
                    ),
                    (f"What {unit} is {side} {{name}}?", f"What is the {unit} {side} {{name}}?"),
                    f"{{{side}}} comes {side} {{name}}.",
                    f"{{{side}}} comes",
                    items,
                )
            )
    return tuple(found)


def _counting() -> tuple[Topic, ...]:
    def run(first: int, last: int) -> Item:
        return {
            "first": english_number(first),
            "last": english_number(last),
            "numbers": ", ".join(english_number(n) for n in range(first, last + 1)),
        }

    ranges = [(a, b) for a in range(1, 16) for b in range(a + 2, min(a + 6, 21))]
    held = [r for r in ranges if is_held_out(f"count {r}", 8)]
    return (
        Topic(
            "counting",
            ("Count to {last}.", "Please count to {last}.", "Can you count to {last}?"),
            ("Could you count to {last}?", "Count up to {last}."),
            *("{numbers}.", "{numbers}"),
            tuple(run(1, n) for n in range(3, 11)),
        ),
        Topic(
            "counting",
            (
                *("Count from {first} to {last}.", "Please count from {first} to {last}."),
                "Can you count from {first} to {last}?",
            ),
            ("Could you count from {first} to {last}?",),
            *("{numbers}.", "{numbers}"),
            tuple(run(a, b) for a, b in ranges if (a, b) not in held),
            tuple(run(a, b) for a, b in held),
        ),
    )


def _spelling() -> Topic:
    items = tuple({"word": word, "letters": ", ".join(word.upper())} for word in _SPELLED.split())
    return Topic(
        "spelling",
        (
            *("Spell {word}.", "Spell the word {word}.", "How do you spell {word}?"),
            *("Please spell {word}.", "Can you spell {word}?"),
        ),
        ("Can you spell the word {word}?", "How is {word} spelled?"),
        *("{word} is spelled {letters}.", "spelled {letters}"),
        items,
    )


def _entertainment() -> tuple[Topic, ...]:
    any_joke, any_poem = _JOKES[2], _POEMS[0]
    return (
        Topic(
            "jokes",
            (
                "Tell me a joke.",
                "Do you know a joke?",
                "Make me laugh.",
                "Tell me something funny.",
            ),
            ("Please tell me a joke.", "Can you tell me a joke?"),
            *any_joke[1:],
        ),
        Topic(
            "jokes",
            (
                *("Tell me a joke about a {topic}.", "Do you know a joke about a {topic}?"),
                "I want a joke about a {topic}.",
            ),
            ("Please tell me a joke about a {topic}.", "Can you tell me a joke about a {topic}?"),
            *("{joke}", "{key}"),
            tuple({"topic": t, "joke": joke, "key": key} for t, joke, key in _JOKES),
        ),
        Topic(
            "poems",
            ("Tell me a poem.", "Say a poem.", "Do you know a poem?", "Read me a poem."),
            ("Please say a poem.", "Can you tell me a poem?"),
            *any_poem[1:],
        ),
        Topic(
            "poems",
            (
                *("Tell me a poem about the {topic}.", "Say a poem about the {topic}."),
                "Do you know a poem about the {topic}?",
            ),
            ("Please say a poem about the {topic}.", "Can you tell me a poem about the {topic}?"),
            *("{poem}", "{key}"),
            tuple({"topic": t, "poem": poem, "key": key} for t, poem, key in _POEMS),
        ),
    )


def _unknown() -> Topic:
    items = [
        {
            "place": _PLACES[i % len(_PLACES)],
            "thing": _THINGS[(i * 7 + i // 10) % len(_THINGS)],
            "person": _PEOPLE[(i * 3 + i // 7) % len(_PEOPLE)],
        }
        for i in range(60)
    ]
    return Topic(
        "unknown",
        _UNKNOWN_ASKS,
        _UNKNOWN_TEST_ASKS,
        *("Sorry, I don't know that.", "don't know"),
        tuple(items),
    )
