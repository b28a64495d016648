"""Cuts the committed fonts out of Noto Sans CJK SC.

Regular: 通用规范汉字表, all of GB 2312, printable Latin-1, punctuation, full-width forms.
Bold: ASCII and the characters of bold.txt. Test: one character that Regular lacks, so that the
fallback to another font can be tested without a system font.
The output depends on the input fonts and the pinned fontTools only.
"""

import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTCollection

HERE = pathlib.Path(__file__).resolve().parent
CRATE = HERE.parent
FACE = "Noto Sans CJK SC"
RARE = "\U00020021"


def lines(name):
    text = (HERE / name).read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines() if not line.startswith("#"))


def gb2312():
    """Rows 1-9 (punctuation, letters) and 16-87 (6,763 characters)."""
    found = []
    for row in [*range(1, 10), *range(16, 88)]:
        for cell in range(1, 95):
            try:
                found.append(bytes([row + 0xA0, cell + 0xA0]).decode("gb2312"))
            except UnicodeDecodeError:
                pass
    return "".join(found)


def ranges(*pairs):
    return "".join(chr(code) for first, last in pairs for code in range(first, last + 1))


REGULAR = (
    lines("characters_8105.txt")
    + gb2312()
    + ranges((0x20, 0x7E), (0xA0, 0xFF), (0x2010, 0x2016), (0x2018, 0x201A), (0x201C, 0x201E), (0x2020, 0x2022), (0x2025, 0x2027), (0x3000, 0x301F), (0xFF01, 0xFF5E))
    + "·•✓¥¥〇㐂䶮鿍鿎鿏"
)
BOLD = ranges((0x20, 0x7E)) + lines("bold.txt")


def cut(source, style, characters, output):
    collection = TTCollection(source)
    font = next(f for f in collection.fonts if f["name"].getDebugName(4).startswith(FACE))
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.desubroutinize = True
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    options.drop_tables += ["BASE", "vhea", "vmtx", "VORG", "DSIG", "GSUB", "GPOS", "GDEF"]
    options.canonical_order = True
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    rename(font, style)
    font.recalcTimestamp = False
    font.flavor = None
    output.parent.mkdir(exist_ok=True)
    font.save(output)
    have = font.getBestCmap()
    missing = sorted({c for c in characters if ord(c) not in have})
    print(f"{output.relative_to(CRATE)}: {len(have)} characters, {output.stat().st_size} bytes")
    if missing:
        print("  not in the source font:", " ".join(f"U+{ord(c):04X}" for c in missing))


def rename(font, style):
    """A changed font goes by its own name, so that nobody takes it for the original."""
    names = {1: "Jiaoyi Sans SC", 2: style, 4: f"Jiaoyi Sans SC {style}", 6: f"JiaoyiSansSC-{style}"}
    for record in font["name"].names:
        if record.nameID in names:
            record.string = names[record.nameID]
    top = font["CFF "].cff
    top.fontNames = [names[6]]
    top.topDictIndex[0].FullName = names[4]
    top.topDictIndex[0].FamilyName = names[1]


def main():
    folder = pathlib.Path(sys.argv[1])
    regular = folder / "NotoSansCJK-Regular.ttc"
    cut(regular, "Regular", REGULAR, CRATE / "font" / "JiaoyiSansSC-Regular.otf")
    cut(folder / "NotoSansCJK-Bold.ttc", "Bold", BOLD, CRATE / "font" / "JiaoyiSansSC-Bold.otf")
    cut(regular, "Rare", RARE, CRATE / "testdata" / "rare.otf")


main()
