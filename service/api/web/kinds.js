// Made by `python -m service.api.kinds_script > service/api/web/kinds.js`.
// task: what a job is called; models, does: its models, and one of them; use: on the command line alone.
// learnsFrom: what the form asks for beside a budget. SPACES: titles of the search spaces.
// LESS_IS_BETTER: properties of which low values are good.
export const KINDS = {
  ghn: {"title": "GHN", "task": "GHN training", "models": "Weight predictors (GHN)", "does": "predicts weights", "use": null, "learnsFrom": "images"},
  predictor: {"title": "Regressor", "task": "Predictor fit", "models": "Ranking predictors", "does": "ranks", "use": null, "learnsFrom": "observations"},
  hypernas: {"title": "HyperNAS", "task": "HyperNAS training", "models": "Ranking predictors (HyperNAS)", "does": "ranks", "use": null, "learnsFrom": "observations"},
  smash: {"title": "SMASH", "task": "SMASH training", "models": "SMASH hypernetworks", "does": "generates weights for its own space", "use": "weightcast rank FILE.jsonl --predictor smash:{name} --data {data}", "learnsFrom": "images"},
  finetune: {"title": "Fine-tune", "task": "Fine-tuning", "models": "", "does": "", "use": null, "learnsFrom": null},
  search: {"title": "Search", "task": "Search", "models": "", "does": "", "use": null, "learnsFrom": null},
};
export const SPACES = {
  nasbench201: "NAS-Bench-201",
  nasbench101: "NAS-Bench-101",
  nats_size: "NATS-Bench sizes",
  nasbench_macro: "NAS-Bench-Macro",
  darts: "DARTS",
  smash: "SMASH memory banks",
  ghn1: "GHN-1 blocks",
  anytime: "Networks with early exits",
};
export const LESS_IS_BETTER = ["convergence", "error", "latency", "loss"];
