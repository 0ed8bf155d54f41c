//! What a barcode of a receipt may hold: its data has been checked since January 2023 (Order Management changelog).

/// Can a scanner read these data from a code of this format? Formats that are not known are a matter of the schema.
pub fn is_valid(format: &str, data: &str) -> bool {
    match format {
        "EAN-13" => is_ean_13(data),
        "CODE 39" => !data.is_empty() && data.bytes().all(is_code_39),
        "CODE 128" => !data.is_empty() && data.is_ascii(),
        _ => true,
    }
}

/// Twelve digits and one that brings the weighted sum to a multiple of ten.
fn is_ean_13(data: &str) -> bool {
    let digits: Vec<u32> = data.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits.iter().enumerate().map(|(at, digit)| digit * if at % 2 == 0 { 1 } else { 3 }).sum();
    data.len() == 13 && digits.len() == 13 && sum % 10 == 0
}

/// The 43 characters of ISO/IEC 16388; `*` begins and ends a code and is no datum.
fn is_code_39(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-. $/+%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_letters_and_ascii() {
        for (format, data) in [
            ("EAN-13", "4006381333931"),
            ("EAN-13", "7038010009457"),
            ("CODE 39", "TAXI-7 $/+%."),
            ("CODE 128", "a\tB~1"),
        ] {
            assert!(is_valid(format, data), "{format} {data}");
        }
        for (format, data) in [
            ("EAN-13", "4006381333932"),
            ("EAN-13", "4006381333933"),
            ("EAN-13", "4006381333936"),
            ("EAN-13", "0406381333931"),
            ("EAN-13", "400638133393"),
            ("EAN-13", "40063813339310"),
            ("EAN-13", "400638133393X"),
            ("EAN-13", ""),
            ("CODE 39", "taxi"),
            ("CODE 39", "*TAXI*"),
            ("CODE 39", ""),
            ("CODE 128", "\u{f8}"),
            ("CODE 128", ""),
        ] {
            assert!(!is_valid(format, data), "{format} {data}");
        }
    }
}
