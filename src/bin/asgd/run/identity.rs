//! What decides the results of a run, bit for bit, as settings.json keeps it.

use asgd::{Dataset, Model};
use serde_json::{Value, json};

use super::length::Length;
use super::rates::Rates;
use super::stopping::Rules;
use crate::device_args::Devices;
use crate::sweep::cells::Cell;

/// What a run is made of.
pub struct Identity<'a> {
    pub devices: &'a Devices,
    pub dataset: &'a Dataset,
    pub cells: &'a [Cell],
    /// Of each cell.
    pub rates: &'a [Rates],
    /// Those that each cell's replicas start from.
    pub initials: &'a [Model],
    /// Of each cell.
    pub replicas: usize,
    pub seed: u64,
    pub init: String,
    pub order: String,
    /// Of the learning rate.
    pub schedule: String,
    pub rules: Option<Rules>,
    /// Whether cells of several widths train side by side.
    pub padded: bool,
    /// For --resume.
    pub arguments: Value,
}

impl Identity<'_> {
    /// With the length of each cell.
    pub fn json(&self, lengths: &[Length]) -> Value {
        let Self { devices, dataset, cells, rates, initials, replicas, seed, init, order, padded, .. } = self;
        let Self { schedule, rules, arguments, .. } = self;
        let initial_sha256 = asgd::digest::sha256(initials.iter().map(Model::to_bytes));
        let settings_of = |((cell, length), rates): ((&Cell, &Length), &Rates)| {
            let mut settings = cell.json();
            settings["steps"] = json!(length.steps);
            settings["steps_per_epoch"] = json!(length.steps_per_epoch);
            settings["evaluate_every_steps"] = json!(length.evaluate_every);
            // Runs without them have no such settings, as those of earlier versions.
            if rates.schedule.warmup > 0 {
                settings["warmup_steps"] = json!(rates.schedule.warmup);
            }
            settings
        };
        let mut of_cells: Vec<Value> = cells.iter().zip(lengths).zip(*rates).map(settings_of).collect();
        let mut settings = match of_cells.len() {
            1 => of_cells.swap_remove(0),
            _ => json!({ "cells": of_cells, "padded": padded }),
        };
        settings["replicas"] = json!(replicas);
        settings["seed"] = json!(seed);
        settings["init"] = json!(init);
        settings["initial_sha256"] = json!(initial_sha256);
        settings["order"] = json!(order);
        if schedule != "constant" {
            settings["schedule"] = json!(schedule);
        }
        if let Some(Rules { criterion, patience, keep, .. }) = rules {
            settings["patience"] = json!(patience);
            settings["keep"] = json!(keep.to_string());
            settings["keep_by"] = json!(criterion.to_string());
        }
        let data = &initials[0].data;
        let mut document = json!({
            "asgd_version": env!("CARGO_PKG_VERSION"),
            "arguments": arguments,
            "settings": settings,
            "dataset": {
                "name": dataset.name,
                "train_samples": dataset.train.len(),
                "validation_samples": dataset.validation.as_ref().map_or(0, asgd::dataset::Samples::len),
                "test_samples": dataset.test.len(),
                "features": dataset.features(),
                "classes": dataset.classes,
                "sha256": dataset.sha256(),
                // Before anything was set aside of it or scaled.
                "source_sha256": data.split.as_ref().map(|split| &split.sha256),
                "validation": data.split.as_ref().and_then(|split| split.validation),
                "table": data.table,
                "scale": data.scaling.as_ref().map(|scaling| scaling.scale()),
                "split": data.split.as_ref().map(|split| &split.held_out),
            },
            "device": devices.info(),
            "machine": devices.describe().join("; "),
        });
        // Runs of classifiers have no such settings, as those of earlier versions.
        if dataset.loss().is_regression() {
            document["settings"]["loss"] = json!(dataset.loss().to_string());
            document["dataset"]["targets"] = json!(dataset.output_units());
            document["dataset"]["target_scale"] = json!(data.target_scaling_or_none().scale());
        }
        document
    }
}
