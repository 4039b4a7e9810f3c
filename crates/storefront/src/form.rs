//! Reading forms field by field, so that all mistakes are told at once, each beside its field.

use contract::problem::FieldError;

/// What is wrong with a form.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    errors: Vec<FieldError>,
}

impl Wrong {
    /// Reads a field as text; notes what is wrong with it.
    pub(crate) fn text<T>(&mut self, field: &str, typed: Option<&str>) -> Option<T>
    where
        T: TryFrom<String, Error: std::fmt::Display>,
    {
        let Some(typed) = typed else {
            return self.note(field, "please fill this in");
        };
        match typed.to_owned().try_into() {
            Ok(value) => Some(value),
            Err(error) => self.note(field, error),
        }
    }

    /// Reads a field as a whole number; notes what is wrong with it.
    pub(crate) fn number<T>(&mut self, field: &str, typed: Option<&str>) -> Option<T>
    where
        T: TryFrom<i64, Error: std::fmt::Display>,
    {
        match typed.unwrap_or_default().trim().parse::<i64>() {
            Ok(number) => match number.try_into() {
                Ok(value) => Some(value),
                Err(error) => self.note(field, error),
            },
            Err(_) => self.note(field, "expected a whole number"),
        }
    }

    pub(crate) fn note<T>(&mut self, field: &str, detail: impl std::fmt::Display) -> Option<T> {
        self.errors.push(FieldError {
            field: field.to_owned(),
            detail: detail.to_string(),
        });
        None
    }

    /// What is wrong with this field, for beside it.
    pub(crate) fn with(&self, field: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| error.field == field);
        error.map(|error| error.detail.as_str())
    }
}
