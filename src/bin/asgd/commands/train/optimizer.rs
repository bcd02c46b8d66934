//! Which optimizers a training asks for: gradients, rules and their numbers.

use asgd::{Error, Gradient, Optimizer, Rule};
use clap::Args;

use crate::values::bound;

#[derive(Debug, Args)]
pub struct OptimizerArgs {
    /// A gradient and a rule by a short name: that of the rule for the mean gradient, with an `a` before it (asgd, aadam) for the
    /// effective one. Several for a sweep. [default: asgd]
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["gradient", "rule"])]
    pub optimizer: Vec<Optimizer>,
    /// What the rule gets: the mean gradient, S / m, or the effective one, S / (c + epsilon). Several for a sweep.
    /// [default: effective]
    #[arg(long, value_delimiter = ',')]
    pub gradient: Vec<Gradient>,
    /// What makes a step of it, as in torch.optim: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam or adamw; or lion.
    /// Several for a sweep. [default: sgd]
    #[arg(long, value_delimiter = ',')]
    pub rule: Vec<Rule>,
    /// Of momentum and nesterov: how much of the velocity stays. Several for a sweep. [default: 0.9]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub momentum: Vec<f32>,
    /// Of adam and adamw: how much of the mean gradient stays; of lion: how much of it is in the step. Several for a sweep.
    /// [default: 0.9]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub beta1: Vec<f32>,
    /// Of adam and adamw: how much of the mean square stays; of lion: how much of the mean gradient stays. Several for a sweep.
    /// [default: 0.999, of lion 0.99]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub beta2: Vec<f32>,
    /// Of rmsprop: how much of the mean square stays. Several for a sweep. [default: 0.99]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub alpha: Vec<f32>,
    /// Of adadelta: how much of the mean squares stays. Several for a sweep. [default: 0.9]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub rho: Vec<f32>,
    /// Of adagrad, adadelta, rmsprop, adam and adamw: against division by zero in the rule; --epsilon is that of the effective
    /// gradient. Several for a sweep. [default: torch.optim's]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub eps: Vec<f32>,
    /// Weight decay: how much of a parameter is added to its gradient, or in adamw and lion, times the learning rate,
    /// taken off the parameter. Several for a sweep. [default: 0.01 for adamw, else 0]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub weight_decay: Vec<f32>,
    /// Keep each parameter's gradient between -NUMBER and NUMBER, before weight decay: torch.nn.utils.clip_grad_value_. Several for a
    /// sweep. [default: none]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = bound)]
    pub clip_value: Vec<f32>,
    /// Scale the gradient of a whole network to this norm where it is larger, after --clip-value and before weight decay:
    /// torch.nn.utils.clip_grad_norm_. Several for a sweep. [default: none]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = bound)]
    pub clip_norm: Vec<f32>,
}

impl OptimizerArgs {
    /// What was given of each number, by its option.
    fn numbers(&self) -> [(&'static str, &[f32]); 9] {
        [
            ("--momentum", &self.momentum),
            ("--beta1", &self.beta1),
            ("--beta2", &self.beta2),
            ("--alpha", &self.alpha),
            ("--rho", &self.rho),
            ("--eps", &self.eps),
            ("--weight-decay", &self.weight_decay),
            ("--clip-value", &self.clip_value),
            ("--clip-norm", &self.clip_norm),
        ]
    }

    /// Whether anything is listed.
    pub fn is_sweep(&self) -> bool {
        let named = [self.optimizer.len(), self.gradient.len(), self.rule.len()];
        named.into_iter().chain(self.numbers().map(|(_, values)| values.len())).any(|count| count > 1)
    }

    /// Every combination of what was given. A number combines only with the rules that have it.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number that none of the rules has, or that is out of its range.
    pub fn optimizers(&self) -> Result<Vec<Optimizer>, Error> {
        let mut all = self.named();
        for (option, values) in self.numbers().into_iter().filter(|(_, values)| !values.is_empty()) {
            let name = option.trim_start_matches('-').replace('-', "_");
            let has = |mut optimizer: Optimizer| optimizer.number_mut(&name).is_some();
            if !all.iter().copied().any(has) {
                return Err(Error::Setting { setting: option, problem: no_such_number(&all, has) });
            }
            let with = |mut optimizer: Optimizer, value: f32| {
                optimizer.number_mut(&name).into_iter().for_each(|number| *number = value);
                optimizer
            };
            let of = |optimizer: Optimizer| {
                let values = if has(optimizer) { values } else { &values[..1] };
                values.iter().map(move |&value| with(optimizer, value))
            };
            all = all.into_iter().flat_map(of).collect();
        }
        all.iter().try_for_each(|optimizer| optimizer.check())?;
        Ok(all)
    }

    /// With their usual numbers.
    fn named(&self) -> Vec<Optimizer> {
        if !self.optimizer.is_empty() {
            return self.optimizer.clone();
        }
        let gradients = if self.gradient.is_empty() { &[Gradient::Effective] } else { &self.gradient[..] };
        let rules = if self.rule.is_empty() { &[Rule::Sgd] } else { &self.rule[..] };
        let both = |&rule| gradients.iter().map(move |&gradient| Optimizer::new(gradient, rule));
        rules.iter().flat_map(both).collect()
    }
}

/// What is wrong with a number that none of these optimizers has, but others do.
fn no_such_number(given: &[Optimizer], has: impl Fn(Optimizer) -> bool) -> String {
    let list = |rules: &mut dyn Iterator<Item = Rule>| {
        let mut names: Vec<&str> = rules.map(Rule::name).collect();
        names.dedup();
        names.join(", ")
    };
    let own = list(&mut given.iter().map(|optimizer| optimizer.rule));
    let others = list(&mut Rule::all().filter(|&rule| has(Optimizer::new(Gradient::Mean, rule))));
    format!("{own} has no such number; it belongs to {others}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        optimizer: OptimizerArgs,
    }

    /// Each optimizer's name, and its numbers.
    fn optimizers(line: &str) -> Result<Vec<String>, String> {
        let words = ["asgd"].into_iter().chain(line.split_whitespace());
        let args = Words::try_parse_from(words).map_err(|error| error.to_string())?.optimizer;
        let text = |optimizer: Optimizer| {
            let bounded = optimizer.numbers().into_iter().filter(|(_, value)| value.is_finite());
            let numbers = bounded.map(|(name, value)| format!(" {name} {value}"));
            format!("{optimizer}{}", numbers.collect::<String>())
        };
        let all = args.optimizers().map_err(|error| error.to_string())?;
        assert_eq!(args.is_sweep(), line.contains(','), "{line}");
        Ok(all.into_iter().map(text).collect())
    }

    #[test]
    fn gradients_combine_with_rules_and_their_numbers() {
        assert_eq!(optimizers("").unwrap(), ["asgd weight_decay 0"]);
        assert_eq!(optimizers("--gradient mean").unwrap(), ["sgd weight_decay 0"]);
        assert_eq!(optimizers("--rule momentum").unwrap(), ["amomentum momentum 0.9 weight_decay 0"]);
        assert_eq!(
            optimizers("--gradient mean,effective --rule sgd,nesterov --momentum 0.5").unwrap(),
            [
                "sgd weight_decay 0",
                "asgd weight_decay 0",
                "nesterov momentum 0.5 weight_decay 0",
                "anesterov momentum 0.5 weight_decay 0",
            ]
        );
        // A number of one rule does not make more of the others.
        assert_eq!(
            optimizers("--optimizer sgd,adamw --beta1 0.8,0.9 --eps 1e-3").unwrap(),
            [
                "sgd weight_decay 0",
                "adamw beta1 0.8 beta2 0.999 eps 0.001 weight_decay 0.01",
                "adamw beta1 0.9 beta2 0.999 eps 0.001 weight_decay 0.01",
            ]
        );
        assert_eq!(optimizers("--optimizer sgd,adamw --weight-decay 0,0.5").unwrap().len(), 4);
        assert_eq!(
            optimizers("--clip-norm none,0.5 --clip-value 2").unwrap(),
            ["asgd weight_decay 0 clip_value 2", "asgd weight_decay 0 clip_value 2 clip_norm 0.5"]
        );
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_by_their_options() {
        for (line, words) in [
            ("--beta1 0.9", ["--beta1: sgd has no such number", "adam, adamw, lion"]),
            ("--rule adam,adamw --momentum 0.9", ["--momentum: adam, adamw has no", "momentum, nesterov"]),
            ("--rule adam --beta2 1", ["--beta2: 1 is not at least 0 and below 1", "aadam"]),
            ("--rule adam --eps 0", ["--eps: 0 is not", "above 0"]),
            ("--rule rmsprop --alpha 0.9,NaN", ["--alpha: NaN is not", "armsprop"]),
            ("--weight-decay inf", ["--weight-decay: inf is not", "asgd"]),
            ("--optimizer adam --rule adam", ["'--optimizer", "'--rule"]),
            ("--gradient mean --optimizer adam", ["'--optimizer", "'--gradient"]),
            ("--rule aadam", ["'aadam' for '--rule", "did you mean 'adam'?"]),
            ("--gradient adaptive", ["'--gradient", "mean or effective"]),
        ] {
            let error = optimizers(line).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{line}: {error}");
        }
    }
}
