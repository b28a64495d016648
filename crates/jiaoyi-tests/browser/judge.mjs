// Whether pages are fast enough, from figures that a busy machine makes worse and nothing makes
// better.
//
// Pages are measured in rounds, each with a bare page as control. A round is calm when the control
// reached the goal in it: then the machine let a page be fast. In calm rounds a page's median has
// to reach the goal. While there are too few calm rounds, or a page is below the goal, rounds are
// added, up to a limit. Without any calm round the pages are compared with the control instead.

/// Lighthouse's figure that a page must reach.
export const GOAL = 98;
/// Calm rounds that are enough, and rounds at most.
export const CALM_MIN = 3;
export const ROUNDS_MAX = 6;
/// Of the control's figure, when the machine was never calm.
export const RATIO_MIN = 0.9;
/// Of the processor's usual speed in this run; a slower one was being shared. That speed swings by
/// half even where every page reaches the goal, so it only excuses what is below the goal.
export const INDEX_MIN = 0.6;

/// The middle one; of an even number the lower one.
export function median(values) {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];
}

/// Judges `rounds`, each `{ control, pages: { path: run } }` with runs `{ score, index }`, where
/// index tells how fast the processor was just before.
///
/// Gives for each path `{ median, counted, calm, passed }`: how many runs counted, and whether these
/// were enough calm ones, so that the goal decides. Otherwise all runs count, and the ratio decides.
export function judge(rounds) {
  const usual = median(rounds.flatMap(({ control, pages }) =>
    [control, ...Object.values(pages)].map((run) => run.index)));
  const undisturbed = (run) => run.score >= GOAL || run.index >= INDEX_MIN * usual;
  const calmRounds = rounds.filter(({ control }) => control.score >= GOAL);
  const control = median(rounds.map((round) => round.control.score));
  const pages = Object.fromEntries(Object.keys(rounds[0].pages).map((path) => {
    const all = rounds.map((round) => round.pages[path]).filter((run) => run);
    const undisturbedRuns = calmRounds.map((round) => round.pages[path])
      .filter((run) => run && undisturbed(run));
    const calm = undisturbedRuns.length >= CALM_MIN;
    const counted = calm ? undisturbedRuns : all;
    const middle = median(counted.map((run) => run.score));
    const passed = middle >= (calm ? GOAL : RATIO_MIN * control);
    return [path, { median: middle, counted: counted.length, calm, passed }];
  }));
  return { control, calm_rounds: calmRounds.length, pages };
}

/// What the judgement itself must get right; each a problem when it does not.
export function judgeProblems() {
  const round = (control, page, index = 1000) => ({
    control: { score: control, index: 1000 }, pages: { '/': { score: page, index } },
  });
  const passes = (rounds) => judge(rounds).pages['/'].passed;
  const cases = [
    ['fast page', true, [round(100, 100), round(100, 99), round(99, 98)]],
    ['slow page on a calm machine', false, [round(100, 97), round(100, 97), round(100, 100), round(100, 90)]],
    ['one bad moment', true, [round(100, 70), round(100, 99), round(100, 100)]],
    ['busy rounds beside calm ones', true,
      [round(80, 60), round(85, 70), round(70, 50), round(100, 99), round(100, 100), round(100, 99)]],
    ['slow page, busy rounds beside calm ones', false,
      [round(80, 60), round(100, 91), round(70, 50), round(100, 90), round(100, 92)]],
    ['slow processor while the page was measured', true,
      [round(100, 60, 400), round(100, 70, 500), round(100, 99), round(100, 99), round(100, 100)]],
    ['processor of changing speed', true, [round(100, 100, 400), round(100, 99, 2000), round(100, 99, 900)]],
    ['never calm, as fast as the control', true, [round(85, 80), round(80, 78), round(70, 66)]],
    ['never calm, slower than the control', false, [round(85, 70), round(80, 60), round(90, 75)]],
  ];
  const problems = cases.filter(([, wanted, rounds]) => passes(rounds) !== wanted)
    .map(([name]) => `the judgement is wrong: ${name}`);
  if (judge([round(100, 100), round(80, 80), round(100, 100)]).pages['/'].calm) {
    problems.push('two calm rounds are taken for enough');
  }
  return problems;
}
