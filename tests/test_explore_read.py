"""The page as it is read, from top to bottom: each word and number in its place, both languages."""

import pytest
from as_recorded import RECORDED, check_letters, check_text
from browser_page import SETTLED, chromium, open_once, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
SAME_DRAWS = "{ let u = 0.37; Math.random = () => (u = (u + 0.618034) % 1); }"
READ = r"() => document.body.innerText.replace(/\s*\n\s*/g, `\n`)"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_reads_as_recorded(language, open_page, tmp_path):
    page = open_page(DOCS_PAGE, search=f"?lang={language}", script=SAME_DRAWS)
    read = [page.evaluate(READ)]
    for beta in ("1", "4"):
        page.select_option("#beta", beta)
        page.click("#fit")
        page.evaluate(SETTLED)
        read.append(page.evaluate(READ))
    found = tmp_path / f"page_{language}.txt"
    found.write_text("\n\n".join(read) + "\n", encoding="utf-8")
    check_text(found, RECORDED / found.name, absolute=0.02)


# Each sentence by its key; what the page would put in is 1.25, 2.25, …; an image may have no label.
SENTENCES = """(language) => {
  const said = (of, key) => {
    if (typeof of === "object") return Object.keys(of).flatMap((k) => said(of[k], `${key} ${k}`));
    const given = Array.from({ length: of.length }, (_, k) => k + 1.25);
    const words = of.call ? [of(...given)] : [of];
    if (String(of).startsWith("(k, label)")) words.push(of(1.25, null));
    return words.map((one) => `${key}: ${one}`);
  };
  const { about, ...others } = TEXT[language]; // which is read above
  return said(others, language);
}"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_sentence_is_as_recorded(language, open_once, tmp_path):
    said = open_once(DOCS_PAGE).evaluate(SENTENCES, language)
    check_letters(tmp_path, f"sentences_{language}.txt", "\n".join(said) + "\n")


SAID_ALOUD = r"""(zh) => {
  const { innerText } = element("spoken");
  return innerText && /[\u4e00-\u9fff]/.test(innerText) === zh;
}"""
SPOKEN = ["hint", "noise-says", "encoder-says", "fit-says", "account-says", "estimate-says"]
SPOKEN += ["about", "spoken", "bars", "pad-says"]


def test_whatever_is_said_is_said_in_the_other_language_once_it_is_chosen(open_page):
    page = open_page(DOCS_PAGE)
    page.click("#clear")
    page.click("#fit")
    page.evaluate(SETTLED)
    for zh in (False, True, False):
        page.wait_for_function(SAID_ALOUD, arg=zh)
        for id in SPOKEN:
            said = page.locator(f"#{id}").inner_text()
            assert said and any("\u4e00" <= sign < "\u9fff" for sign in said) == zh, id
        page.click("#language")
        page.evaluate(SETTLED)
