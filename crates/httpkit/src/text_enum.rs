//! `text_enum!`: an enum with one text in the API, in the database and in the document.

/// Makes an enum whose variants have one text each, the same in JSON, in a column, in a field and in the
/// OpenAPI document. The first variant is the default.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident {
        $(#[$fmeta:meta])* $first:ident = $ftext:tt, $($(#[$vmeta:meta])* $variant:ident = $text:tt),+ $(,)?
    }) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        $(#[$meta])*
        pub enum $name {
            $(#[$fmeta])* #[default] #[serde(rename = $ftext)] $first,
            $($(#[$vmeta])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// All of them, as text.
            pub const ALL: &'static [&'static str] = &[$ftext, $($text),+];

            /// Its text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::$first => $ftext, $(Self::$variant => $text),+ }
            }

            /// From its text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $ftext => Some(Self::$first), $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl db::FromCell for $name {
            fn from_cell(cell: db::Cell<'_>) -> Option<Self> {
                match cell { db::Cell::Text(text) => Self::parse(text), _ => None }
            }
        }

        impl $crate::FromField for $name {
            fn from_field(value: &serde_json::Value) -> Result<Self, $crate::Bad> {
                value.as_str().and_then(Self::parse)
                    .ok_or_else(|| $crate::Bad::Type(format!("must be one of {}", Self::ALL.join(", "))))
            }
        }

        impl From<$name> for db::Value<'_> {
            fn from(v: $name) -> Self { Self::from(v.as_str()) }
        }
    };
}
