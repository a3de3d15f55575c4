#!/usr/bin/env python3
"""Scores the embedded engine beside Python packages on the labelled texts, in one run, and prints the tables.

    python3 -m venv target/bench-assistant/venv
    target/bench-assistant/venv/bin/pip install snownlp==0.12.3 vaderSentiment==3.3.2 jieba==0.42.1 sumy==0.13.0 yake==0.7.3
    target/bench-assistant/venv/bin/python bench/assistant/compare.py

The labels are hand-written and few: the tables compare, they claim nothing beyond these texts. Times are the best of five
for each text, the middle (p50) and the largest of all texts, on whatever machine this runs on.
"""

import json
import pathlib
import re
import subprocess
import sys
import time
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "crates/nlp/tests/golden"
CLASSES = ["POSITIVE", "NEUTRAL", "NEGATIVE", "MIXED"]


def lines(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


def ours():
    """The answers of the example `score`, by (task, file)."""
    command = ["cargo", "run", "-q", "-p", "nlp", "--example", "score", str(GOLDEN)]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    answers = {}
    for line in out.splitlines():
        answer = json.loads(line)
        answers.setdefault((answer["task"], answer.get("file")), []).append(answer)
    return answers


def timed(function, *arguments):
    best, result = float("inf"), None
    for _ in range(5):
        start = time.perf_counter()
        result = function(*arguments)
        best = min(best, (time.perf_counter() - start) * 1e6)
    return result, best


def times(values):
    values = sorted(values)
    return f"{values[len(values) // 2]:,.0f} / {values[-1]:,.0f}" if values else "–"


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def head(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def sentiment_table(file, answers):
    texts = {text["id"]: text for text in lines(file)}
    print(f"\n### Sentiment, `{file}` (n = {len(texts)})\n")
    head("engine", "texts", "right", "without MIXED", "µs a text p50 / max")
    mine = answers["sentiment", file]
    for lang in ("zh", "en"):
        part = [a for a in mine if texts[a["id"]]["lang"] == lang]
        sentiment_row(f"Hongyan {lang}", [(texts[a["id"]]["sentiment"], a["answer"], a["us"]) for a in part])
    peers = [("vaderSentiment en", "en", vader()), ("SnowNLP zh", "zh", snow())]
    for name, lang, judge in peers:
        results = []
        for text in texts.values():
            if text["lang"] == lang:
                answer, us = timed(judge, text["text"])
                results.append((text["sentiment"], answer, us))
        sentiment_row(name, results)
    print("\nHongyan by class:\n")
    head("class", "labelled", "precision", "recall", "answered as " + " / ".join(CLASSES))
    confusion = Counter((texts[a["id"]]["sentiment"], a["answer"]) for a in mine)
    for label in CLASSES:
        labelled = sum(confusion[label, c] for c in CLASSES)
        answered = sum(confusion[c, label] for c in CLASSES)
        right = confusion[label, label]
        share = lambda of: f"{right / of:.2f}" if of else "–"
        row(label, labelled, share(answered), share(labelled), " / ".join(str(confusion[label, c]) for c in CLASSES))
    print("\nIs its confidence honest?\n")
    head("confidence", "texts", "right")
    for low, high in ((0.0, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        part = [a for a in mine if low <= a["confidence"] < high]
        right = sum(a["answer"] == texts[a["id"]]["sentiment"] for a in part)
        row(f"{low:.1f}–{min(high, 1.0):.1f}", len(part), f"{right / len(part):.2f}" if part else "–")
    labelled = found = 0
    for answer in mine:
        wanted = texts[answer["id"]]["emotions"]
        labelled += len(wanted)
        found += sum(emotion in answer["emotions"] for emotion in wanted)
    print(f"\nEmotions found: {found} of {labelled}.")


def sentiment_row(name, results):
    right = sum(expected == answer for expected, answer, _ in results)
    simple = [(expected, answer) for expected, answer, _ in results if expected != "MIXED"]
    right_simple = sum(expected == answer for expected, answer in simple)
    row(name, len(results), f"{right} ({right / len(results):.2f})", f"{right_simple} / {len(simple)}", times([us for *_, us in results]))


def vader():
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def judge(text):
        compound = analyzer.polarity_scores(text)["compound"]
        return "POSITIVE" if compound >= 0.2 else "NEGATIVE" if compound <= -0.2 else "NEUTRAL"

    return judge


def snow():
    from snownlp import SnowNLP

    def judge(text):
        score = SnowNLP(text).sentiments
        return "POSITIVE" if score >= 0.6 else "NEGATIVE" if score <= 0.4 else "NEUTRAL"

    return judge


def keyword_matches(expected, answered):
    """Itself, or itself and little more; as nlp::evaluate::keyword_matches has it, with a rough stem."""
    expected, answered = expected.lower(), answered.lower()
    if re.search("[\u4e00-\u9fff]", expected):
        return expected in answered and len(answered) <= len(expected) + 3
    stems = lambda text: [re.sub("(ies|es|s|ing|ed|y)$", "", word) for word in text.split()]
    expected, answered = stems(expected), stems(answered)
    if len(answered) > len(expected) + 1:
        return False
    return any(answered[i : i + len(expected)] == expected for i in range(len(answered)))


def keyword_table(file, answers):
    texts = {text["id"]: text for text in lines(file)}
    print(f"\n### Keywords, recall among the first five, `{file}`\n")
    head("engine", "found", "µs a text p50 / max")
    mine = {a["id"]: a for a in answers["keywords", file]}
    engines = []
    for lang in ("zh", "en"):
        engines.append((f"Hongyan {lang}", lang, lambda text: (mine[text["id"]]["answer"], mine[text["id"]]["us"])))
    import jieba
    import jieba.analyse
    import yake
    from snownlp import SnowNLP

    jieba.setLogLevel(60)
    wrap = lambda function: lambda text: timed(function, text["text"])
    yakes = {lang: yake.KeywordExtractor(lan=lang, n=2, top=5) for lang in ("en", "zh")}
    engines += [
        ("jieba TF-IDF zh", "zh", wrap(lambda t: jieba.analyse.extract_tags(t, topK=5))),
        ("jieba TextRank zh", "zh", wrap(lambda t: jieba.analyse.textrank(t, topK=5))),
        ("SnowNLP zh", "zh", wrap(lambda t: SnowNLP(t).keywords(5))),
        ("yake en", "en", wrap(lambda t: [k for k, _ in yakes["en"].extract_keywords(t)])),
        ("yake zh, cut by jieba", "zh", wrap(lambda t: [k.replace(" ", "") for k, _ in yakes["zh"].extract_keywords(" ".join(jieba.cut(t)))])),
    ]
    for name, lang, engine in engines:
        found = labelled = 0
        taken = []
        for text in texts.values():
            if text["lang"] == lang:
                keywords, us = engine(text)
                taken.append(us)
                labelled += len(text["keywords"])
                found += sum(any(keyword_matches(k, a) for a in list(keywords)[:5]) for k in text["keywords"])
        row(name, f"{found}/{labelled} ({found / labelled:.2f})", times(taken))


class Tokenizer:
    """sumy's own wants a download for English."""

    def __init__(self, lang):
        self.lang = lang

    def to_sentences(self, text):
        return tuple(s.strip() for s in re.split(r"(?<=[。！？!?])|(?<=[.])\s+", text) if s.strip())

    def to_words(self, sentence):
        import jieba

        return tuple(w for w in jieba.cut(sentence) if w.strip() and re.match(r"\w", w)) if self.lang == "zh" else tuple(re.findall(r"\w+", sentence.lower()))


def summary_table(file, answers):
    texts = {text["id"]: text for text in lines(file)}
    facts = sum(len(text["facts"]) for text in texts.values())
    print(f"\n### Summaries, facts named of {facts}, `{file}` ({len(texts)} texts)\n")
    head("engine", "3 sentences", "4 sentences", "µs a text p50 / max")
    from snownlp import SnowNLP
    from sumy.parsers.plaintext import PlaintextParser
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.lsa import LsaSummarizer
    from sumy.summarizers.luhn import LuhnSummarizer
    from sumy.summarizers.text_rank import TextRankSummarizer

    def covered(text, sentences):
        joined = "\n".join(sentences).lower()
        return sum(any(w.lower() in joined for w in wordings) for wordings in text["facts"])

    mine = {(a["id"], a["n"]): a for a in answers["summary", file]}
    counts = [sum(covered(text, mine[text["id"], n]["answer"]) for text in texts.values()) for n in (3, 4)]
    row("Hongyan", *counts, times([a["us"] for a in mine.values()]))
    lead = [sum(covered(t, Tokenizer(t["lang"]).to_sentences(t["text"])[:n]) for t in texts.values()) for n in (3, 4)]
    row("the first sentences", *lead, "–")
    for name, kind in (("LexRank", LexRankSummarizer), ("TextRank", TextRankSummarizer), ("LSA", LsaSummarizer), ("Luhn", LuhnSummarizer)):
        counts, taken = [], []
        for n in (3, 4):
            count = 0
            for text in texts.values():
                run = lambda: [str(s) for s in kind()(PlaintextParser.from_string(text["text"], Tokenizer(text["lang"])).document, n)]
                sentences, us = timed(run)
                count += covered(text, sentences)
                taken.append(us)
            counts.append(count)
        row(f"sumy {name}", *counts, times(taken))
    chinese = [text for text in texts.values() if text["lang"] == "zh"]
    counts, taken = [], []
    for n in (3, 4):
        count = 0
        for text in chinese:
            sentences, us = timed(lambda: SnowNLP(text["text"]).summary(n))
            count += covered(text, sentences)
            taken.append(us)
        counts.append(count)
    row(f"SnowNLP (Chinese only, of {sum(len(t['facts']) for t in chinese)})", *counts, times(taken))


def retrieval_table(file, answers):
    mine = answers["retrieval", file]
    known = [a for a in mine if a["expected"]]
    unknown = [a for a in mine if not a["expected"]]
    top = sum(a["answer"][:1] == [str(a["expected"])] for a in known)
    answered = [a for a in mine if a["outcome"] == "ANSWER"]
    correct = sum(a["answer"][:1] == [str(a["expected"])] for a in answered)
    refused = sum(a["outcome"] != "ANSWER" for a in unknown)
    nothing = sum(a["outcome"] == "NONE" for a in unknown)
    print(f"\n### Retrieval, `{file}` ({len(known)} questions with an answer, {len(unknown)} without)\n")
    head("first hit right", "answered at once", "of these right", "refused of those without", "of these with no offer", "µs a question p50 / max")
    row(f"{top}/{len(known)}", len(answered), correct, f"{refused}/{len(unknown)}", nothing, times([a["us"] for a in mine]))
    big = answers["index", file][0]
    print(f"\n{big['entries']:,} entries: built in {big['build_ms']} ms, {big['p50_us']:.0f} µs a question (at most {big['max_us']:.0f}).")


def main():
    answers = ours()
    load = answers["load", None][0]["ms"]
    print(f"Loading the dictionaries of the embedded engine: {load} ms.")
    for file in ("sentiment.jsonl", "own_sentiment.jsonl", "second_sentiment.jsonl"):
        sentiment_table(file, answers)
        keyword_table(file, answers)
    for file in ("summaries.jsonl", "own_summaries.jsonl"):
        summary_table(file, answers)
    for file in ("kb.json", "own_kb.json"):
        retrieval_table(file, answers)


if __name__ == "__main__":
    sys.exit(main())
