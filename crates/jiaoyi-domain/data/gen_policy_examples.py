#!/usr/bin/env python3
"""Makes data/policy/*.toml and src/policy/examples.rs from premium_standards.csv.

One file for each region and benefit year, every row as a price or as an aid status, with its source
and grade. Nothing is guessed: a cell that is empty in the table is absent in the pack.

Usage: gen_policy_examples.py      (no arguments; the same table gives the same files)
"""
import csv
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "policy")
INDEX = os.path.join(HERE, "..", "src", "policy", "examples.rs")

REGIONS = {
    "110000": "北京市", "310000": "上海市", "440100": "广州市", "500000": "重庆市", "320100": "南京市",
    "320600": "南通市", "321181": "丹阳市", "340100": "合肥市", "410100": "郑州市", "410300": "洛阳市",
    "430000": "湖南省", "360000": "江西省", "370900": "泰安市", "370100": "济南市", "371300": "临沂市",
    "120000": "天津市", "530000": "云南省", "520100": "贵阳市", "421303": "曾都区", "341300": "宿州市",
    "140500": "晋城市",
}
CATEGORIES = {
    "resident": ("城乡居民", "Resident"), "elderly": ("老年居民", "Elderly resident"),
    "student_child": ("学生儿童", "Student or child"), "student": ("学生", "Student"),
    "working_age": ("劳动年龄内居民", "Resident of working age"), "other": ("其他居民", "Other resident"),
    "70plus": ("70周岁以上", "Aged 70 or more"), "60_69": ("60至69周岁", "Aged 60 to 69"),
    "19_59": ("19至59周岁", "Aged 19 to 59"), "child_student": ("中小学生和婴幼儿", "Pupil or infant"),
    "university": ("大学生", "University student"), "adult": ("成年居民", "Adult resident"),
    "minor": ("未成年居民", "Minor"), "child": ("少年儿童", "Child"),
    "adult_low": ("成年居民低档", "Adult, low tier"), "adult_high": ("成年居民高档", "Adult, high tier"),
    "student_child_low_price_high_benefit":
        ("学生儿童(低档缴费,高档待遇)", "Student or child (low price, high benefits)"),
    "assisted_90pct": ("资助参保人员(资助90%)", "Assisted person (90 % paid)"),
}
TIERS = {"tier1": ("一档", "Tier 1"), "tier2": ("二档", "Tier 2")}
AIDS = {
    "tekun": ("特困人员", "Person in extreme difficulty"),
    "tekun_orphan": ("特困人员、孤儿", "Extreme difficulty, orphan"),
    "tekun_orphan_etc": ("特困人员、孤儿等", "Extreme difficulty, orphan and others"),
    "tekun_orphan_disabled_etc": ("特困人员、孤儿、重度残疾人等", "Extreme difficulty, orphan, disabled"),
    "tekun_orphan_severe_disabled": ("特困人员、孤儿、重度残疾人", "Extreme difficulty, orphan, disabled"),
    "tekun_orphan_dibao_severe_disabled":
        ("特困人员、孤儿、低保对象、重度残疾人", "Extreme difficulty, orphan, allowance, disabled"),
    "dibao": ("低保对象", "Minimum-living allowance"),
    "dibao_margin_elderly": ("低保边缘家庭老年人", "Elderly near the allowance"),
    "dibao_monitored": ("低保对象、监测对象", "Allowance, monitored"),
    "dibao_monitored_dibao_margin": ("低保、监测、低保边缘对象", "Allowance, monitored, near it"),
    "dibao_poverty": ("低保对象、脱贫人口", "Allowance, out of poverty"),
    "dibao_poverty_monitored": ("低保、脱贫、监测对象", "Allowance, out of poverty, monitored"),
    "dibao_poverty_margin_monitored":
        ("低保、脱贫、低保边缘、监测对象", "Allowance, out of poverty, near it, monitored"),
    "dibao_margin_monitored_tier1": ("低保边缘、监测对象(一档)", "Near the allowance, monitored (tier 1)"),
    "dibao_margin_60plus_minor_severe":
        ("低保边缘家庭60岁以上、未成年、重病重残", "Near the allowance: aged, minor, severely ill"),
    "disabled_no_work_dibao_margin_child_in_need":
        ("无业重残、低保边缘、困境儿童", "Disabled without work, near the allowance, child in need"),
    "family_planning_special": ("计划生育特殊家庭", "Special family of birth planning"),
    "returned_to_poverty": ("返贫致贫人口", "Fallen back into poverty"),
    "monitored": ("监测对象", "Monitored against poverty"),
    "stable_out_of_poverty": ("稳定脱贫人口", "Out of poverty"),
    "full_subsidy": ("全额资助人员", "Fully subsidised"),
    "fixed_subsidy": ("定额资助人员", "Subsidised by a fixed amount"),
    "newborn_since_2024": ("2024年后出生的新生儿", "Child born since 2024"),
}
# What a note of the table says in words: payers, and items beyond the medical one.
PAYERS = {("371300", "2023", "dibao_poverty_margin_monitored"):
          '[{ payer = "medical_aid", amount = 150 }, { payer = "county", rest = true }]'}
ITEMS = {("321181", "2026", "resident"): {"long_term_care": "30", "arrears": "15"}}
GRADES = "ABCM"


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_category(code):
    found = re.fullmatch(r"(?:(\w+)_)?(tier\d)", code)
    return (found[1] or "resident", found[2]) if found and code not in AIDS else (code, None)


def origin(row, source, grade):
    lines = []
    if row["source"] != source:
        lines.append(f"source = {quote(row['source'])}")
    if row["grade"] != grade:
        lines.append(f"grade = {quote(row['grade'])}")
    if row["note"]:
        lines.append(f"note = {quote(row['note'])}")
    return lines


def named(table, code, names):
    zh, en = names
    return [f"[[{table}]]", f"code = {quote(code)}", f"name_zh = {quote(zh)}",
            f"name_en = {quote(en)}"]


def pack(region, year, rows):
    code = region.split(" ")[0] if region[0].isdigit() else ""
    name = REGIONS.get(code, region)
    source, grade = rows[0]["source"], max((r["grade"] for r in rows), key=GRADES.index)
    lines = ["# Example made by gen_policy_examples.py from premium_standards.csv; never payable."]
    if code:
        lines.append(f"region = {quote(code)}")
    lines += [f"region_name = {quote(name)}", f"benefit_year = {year}",
              'scheme = "resident_medical"', 'status = "example"', f"grade = {quote(grade)}",
              f"source = {quote(source)}", ""]
    windows = []
    for row in rows:
        window = (row["window_start"], row["window_end"])
        if any(window) and window not in windows:
            windows.append(window)
    for first, last in windows:
        lines += ["[[window]]", 'phase = "in_window"']
        lines += [f"first = {first}"] if first else []
        lines += [f"last = {last}"] if last else []
        lines.append("")
    seen = set()
    for row in rows:
        category, tier = split_category(row["category"])
        for table, key, names in (("category", category, CATEGORIES), ("tier", tier, TIERS)):
            if key and row["category"] not in AIDS and (table, key) not in seen:
                seen.add((table, key))
                lines += named(table, key, names[key]) + [""]
    for row in rows:
        key = (code, year, row["category"])
        category, tier = split_category(row["category"])
        if row["category"] in AIDS:
            lines += named("aid", row["category"], AIDS[row["category"]])
            lines += ['tier = "tier1"'] if row["category"].endswith("_tier1") else []
            lines += [f"own = {row['individual_yuan']}"] if row["individual_yuan"] else []
            lines += [f"payers = {PAYERS[key]}"] if key in PAYERS else []
            assert not row["fiscal_yuan"], row
        else:
            lines += ["[[price]]", f"category = {quote(category)}"]
            lines += [f"tier = {quote(tier)}"] if tier else []
            lines += [f"medical = {row['individual_yuan']}"] if row["individual_yuan"] else []
            lines += [f"{item} = {yuan}" for item, yuan in ITEMS.get(key, {}).items()]
            lines += [f"fiscal = {row['fiscal_yuan']}"] if row["fiscal_yuan"] else []
        lines += origin(row, source, grade) + [""]
    file = f"{code or re.sub('[^a-z0-9]+', '-', region.lower()).strip('-')}-{year}.toml"
    return file, "\n".join(lines).rstrip() + "\n"


def main():
    packs, last_source = {}, ""
    with open(os.path.join(HERE, "premium_standards.csv"), encoding="utf-8") as table:
        for row in csv.DictReader(table):
            last_source = row["source"] = last_source if row["source"] == "same" else row["source"]
            packs.setdefault((row["region"], row["benefit_year"]), []).append(row)
    os.makedirs(OUT, exist_ok=True)
    files = dict(pack(region, year, rows) for (region, year), rows in packs.items())
    for old in os.listdir(OUT):
        os.remove(os.path.join(OUT, old))
    for file, text in files.items():
        with open(os.path.join(OUT, file), "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
    with open(INDEX, "w", encoding="utf-8", newline="\n") as out:
        out.write("//! Names and texts of the example packs; made by `data/gen_policy_examples.py`.\n\n"
                  "/// Every example pack: file name and TOML text. Source: S-010.\n"
                  "pub const EXAMPLES: &[(&str, &str)] = &[\n")
        for file in sorted(files):
            out.write(f'    (\n        "{file}",\n'
                      f'        include_str!("../../data/policy/{file}"),\n    ),\n')
        out.write("];\n")


if __name__ == "__main__":
    main()
