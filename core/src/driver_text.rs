//! What the driver reads: one short sentence or two, saying what has happened and what to do, in five languages.
//!
//! The rules of the wording: it never says "failed" of what is not proven; never says that a number is wrong, for the servers
//! give the same answer (7010) for a number without a wallet and for a payer who is too young (ePayment guide, errors); has no
//! digits, so no amount or number can be taken for another; and has at most 80 characters, for a display of few lines.

/// A language of the driver's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Norwegian, bokmål.
    Norwegian,
    /// Danish.
    Danish,
    /// Finnish.
    Finnish,
    /// Swedish.
    Swedish,
    /// English.
    English,
}

impl Language {
    /// Every language.
    pub const ALL: &'static [Language] = &[
        Language::Norwegian,
        Language::Danish,
        Language::Finnish,
        Language::Swedish,
        Language::English,
    ];

    /// Reads a language tag or a locale, in capitals or small letters: `nb`, `nb-NO`, `no`, `nn`, `da_DK.UTF-8`, `fi`, ...
    /// Only the language counts, not the country. What is not known is English; there is no error.
    pub fn parse(text: &str) -> Language {
        let language = text.split(['-', '_', '.', '@']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "nb" | "no" | "nn" => Language::Norwegian,
            "da" => Language::Danish,
            "fi" => Language::Finnish,
            "sv" => Language::Swedish,
            _ => Language::English,
        }
    }

    /// The language tag: `nb`, `da`, `fi`, `sv`, `en`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Language::Norwegian => "nb",
            Language::Danish => "da",
            Language::Finnish => "fi",
            Language::Swedish => "sv",
            Language::English => "en",
        }
    }
}

/// What there is to tell the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The request is with the passenger.
    Waiting,
    /// The same, with the hint for a passenger who sees nothing: an app that is already open shows the request only after a
    /// pull on its list of payments.
    WaitingOpenApp,
    /// Captured and proven.
    Paid,
    /// Approved on the servers, and the capture is recorded: it will be carried out.
    Secured,
    /// The passenger said no.
    Declined,
    /// The passenger's time is over.
    TimedOut,
    /// The request is withdrawn and proven dead.
    Cancelled,
    /// No payer can be reached by this number.
    CustomerUnreachable,
    /// Given up: another payment may be taken, and an approval, however late, is released.
    GivenUpReleaseOwed,
    /// Only the office can help.
    AskOffice,
    /// Something in the car or on the way does not work.
    TechnicalProblem,
    /// The sales unit may not send requests to a phone.
    PushNotAllowed,
    /// The passenger was faster than the change of mind.
    AlreadyApproved,
    /// Recorded, but not sent.
    NotSentYet,
    /// An answer was lost; it is being settled.
    UnknownStillChecking,
    /// Somebody has to decide whether this payment is captured or released.
    DecisionOwed,
    /// Money went back.
    Refunded,
    /// Captured, and what was approved beyond it is released.
    ReleasedRest,
    /// The passenger has approved; the capture is not recorded yet.
    Approved,
    /// The servers did not take the payment request.
    NotAccepted,
    /// The request is with the passenger, but there is no contact with the servers.
    NoContact,
}

impl Message {
    /// Every message.
    pub const ALL: &'static [Message] = &[
        Message::Waiting,
        Message::WaitingOpenApp,
        Message::Paid,
        Message::Secured,
        Message::Declined,
        Message::TimedOut,
        Message::Cancelled,
        Message::CustomerUnreachable,
        Message::GivenUpReleaseOwed,
        Message::AskOffice,
        Message::TechnicalProblem,
        Message::PushNotAllowed,
        Message::AlreadyApproved,
        Message::NotSentYet,
        Message::UnknownStillChecking,
        Message::DecisionOwed,
        Message::Refunded,
        Message::ReleasedRest,
        Message::Approved,
        Message::NotAccepted,
        Message::NoContact,
    ];
}

/// The driver's words for a message: UTF-8, 1 to 80 characters, at most 96 bytes.
pub fn text(language: Language, message: Message) -> &'static str {
    let in_all = in_all_languages(message);
    match language {
        Language::Norwegian => in_all.nb,
        Language::Danish => in_all.da,
        Language::Finnish => in_all.fi,
        Language::Swedish => in_all.sv,
        Language::English => in_all.en,
    }
}

struct InAll {
    nb: &'static str,
    da: &'static str,
    fi: &'static str,
    sv: &'static str,
    en: &'static str,
}

fn in_all_languages(message: Message) -> InAll {
    match message {
        Message::Waiting => InAll {
            nb: "Venter på at passasjeren godkjenner i appen.",
            da: "Venter på, at passageren godkender i appen.",
            fi: "Odotetaan, että matkustaja hyväksyy maksun sovelluksessa.",
            sv: "Väntar på att passageraren godkänner i appen.",
            en: "Waiting for the passenger to approve in the app.",
        },
        Message::WaitingOpenApp => InAll {
            nb: "Be passasjeren åpne appen, trykke på Betalinger og dra ned.",
            da: "Bed passageren åbne appen, trykke på Betalinger og trække ned.",
            fi: "Pyydä matkustajaa avaamaan sovellus, valitsemaan Maksut ja vetämään alas.",
            sv: "Be passageraren öppna appen, trycka på Betalningar och dra nedåt.",
            en: "Ask the passenger to open the app, tap Payments and pull down.",
        },
        Message::Paid => InAll {
            nb: "Betalt. Passasjeren kan gå.",
            da: "Betalt. Passageren må gerne gå.",
            fi: "Maksettu. Matkustaja voi poistua.",
            sv: "Betalt. Passageraren kan gå.",
            en: "Paid. The passenger may leave.",
        },
        Message::Secured => InAll {
            nb: "Godkjent og sikret. Passasjeren kan gå.",
            da: "Godkendt og sikret. Passageren må gerne gå.",
            fi: "Hyväksytty ja varmistettu. Matkustaja voi poistua.",
            sv: "Godkänt och säkrat. Passageraren kan gå.",
            en: "Approved and secured. The passenger may leave.",
        },
        Message::Declined => InAll {
            nb: "Passasjeren avslo. Ta betalt på en annen måte.",
            da: "Passageren afviste. Tag betaling på en anden måde.",
            fi: "Matkustaja hylkäsi maksun. Ota maksu muulla tavalla.",
            sv: "Passageraren nekade. Ta betalt på ett annat sätt.",
            en: "The passenger declined. Take another payment.",
        },
        Message::TimedOut => InAll {
            nb: "Ikke godkjent i tide. Send på nytt eller ta betalt på en annen måte.",
            da: "Ikke godkendt i tide. Send igen, eller tag betaling på en anden måde.",
            fi: "Ei hyväksytty ajoissa. Lähetä uudelleen tai ota maksu muulla tavalla.",
            sv: "Inte godkänt i tid. Skicka igen eller ta betalt på ett annat sätt.",
            en: "Not approved in time. Send again or take another payment.",
        },
        Message::Cancelled => InAll {
            nb: "Avbrutt. Ta betalt på en annen måte.",
            da: "Annulleret. Tag betaling på en anden måde.",
            fi: "Peruttu. Ota maksu muulla tavalla.",
            sv: "Avbrutet. Ta betalt på ett annat sätt.",
            en: "Cancelled. Take another payment.",
        },
        Message::CustomerUnreachable => InAll {
            nb: "Ikke nådd i appen. Spør om nummeret igjen eller ta annen betaling.",
            da: "Ikke nået i appen. Spørg om nummeret igen, eller tag anden betaling.",
            fi: "Ei tavoitettu. Kysy numero uudelleen tai ota maksu muulla tavalla.",
            sv: "Nås inte i appen. Fråga om numret igen eller ta annan betalning.",
            en: "Not reached in the app. Ask for the number again or take another payment.",
        },
        Message::GivenUpReleaseOwed => InAll {
            nb: "Ta betalt på en annen måte. Beløp godkjent i appen blir frigitt.",
            da: "Tag betaling på en anden måde. Beløb godkendt i appen bliver frigivet.",
            fi: "Ota maksu muulla tavalla. Sovelluksessa hyväksytty summa vapautetaan.",
            sv: "Ta betalt på ett annat sätt. Belopp som godkänts i appen frigörs.",
            en: "Take another payment. Any amount approved in the app is released.",
        },
        Message::AskOffice => InAll {
            nb: "Ring kontoret før du gjør noe mer.",
            da: "Ring til kontoret, før du gør mere.",
            fi: "Soita toimistoon ennen kuin jatkat.",
            sv: "Ring kontoret innan du gör något mer.",
            en: "Call the office before you do anything more.",
        },
        Message::TechnicalProblem => InAll {
            nb: "Teknisk problem. Prøv igjen. Ring kontoret hvis det ikke hjelper.",
            da: "Teknisk problem. Prøv igen. Ring til kontoret, hvis det ikke hjælper.",
            fi: "Tekninen vika. Yritä uudelleen. Jos se ei auta, soita toimistoon.",
            sv: "Tekniskt problem. Försök igen. Ring kontoret om det inte hjälper.",
            en: "Technical problem. Try again. If that does not help, call the office.",
        },
        Message::PushNotAllowed => InAll {
            nb: "Bilen kan ikke sende betalingskrav. Ta annen betaling og si fra til kontoret.",
            da: "Bilen kan ikke sende anmodninger. Tag anden betaling, og giv kontoret besked.",
            fi: "Maksupyyntöä ei voi lähettää. Ota maksu muulla tavalla, kerro toimistolle.",
            sv: "Bilen kan inte skicka betalkrav. Ta annan betalning och meddela kontoret.",
            en: "This car cannot send requests. Take another payment and tell the office.",
        },
        Message::AlreadyApproved => InAll {
            nb: "Passasjeren har allerede godkjent. Ikke ta annen betaling.",
            da: "Passageren har allerede godkendt. Tag ikke anden betaling.",
            fi: "Matkustaja on jo hyväksynyt maksun. Älä ota muuta maksua.",
            sv: "Passageraren har redan godkänt. Ta ingen annan betalning.",
            en: "The passenger has already approved. Take no other payment.",
        },
        Message::NotSentYet => InAll {
            nb: "Ikke sendt ennå. Vent, det sendes så snart nettet tillater det.",
            da: "Ikke sendt endnu. Vent, det sendes, så snart nettet tillader det.",
            fi: "Ei vielä lähetetty. Odota, maksupyyntö lähtee heti kun verkko toimii.",
            sv: "Inte skickat än. Vänta, det skickas så snart nätet tillåter det.",
            en: "Not sent yet. Wait, it is sent as soon as the network allows.",
        },
        Message::UnknownStillChecking => InAll {
            nb: "Svaret er ikke klart ennå. Vent, ikke ta annen betaling. Det sjekkes.",
            da: "Svaret er ikke klart endnu. Vent, tag ikke anden betaling. Det tjekkes.",
            fi: "Tulos ei ole vielä selvä. Odota, älä ota muuta maksua. Tarkistetaan.",
            sv: "Svaret är inte klart än. Vänta, ta ingen annan betalning. Det kollas.",
            en: "No clear answer yet. Wait, take no other payment. Still checking.",
        },
        Message::DecisionOwed => InAll {
            nb: "Denne betalingen må avgjøres. Ring kontoret.",
            da: "Denne betaling skal afgøres. Ring til kontoret.",
            fi: "Tästä maksusta on päätettävä. Soita toimistoon.",
            sv: "Den här betalningen måste avgöras. Ring kontoret.",
            en: "This payment needs a decision. Call the office.",
        },
        Message::Refunded => InAll {
            nb: "Refundert. Passasjeren får pengene tilbake.",
            da: "Refunderet. Passageren får pengene tilbage.",
            fi: "Hyvitetty. Matkustaja saa rahat takaisin.",
            sv: "Återbetalt. Passageraren får pengarna tillbaka.",
            en: "Refunded. The passenger gets the money back.",
        },
        Message::ReleasedRest => InAll {
            nb: "Betalt. Resten er frigitt til passasjeren.",
            da: "Betalt. Resten er frigivet til passageren.",
            fi: "Maksettu. Loput on vapautettu matkustajalle.",
            sv: "Betalt. Resten har frigjorts till passageraren.",
            en: "Paid. The rest is released to the passenger.",
        },
        Message::Approved => InAll {
            nb: "Godkjent. Ikke ta annen betaling.",
            da: "Godkendt. Tag ikke anden betaling.",
            fi: "Hyväksytty. Älä ota muuta maksua.",
            sv: "Godkänt. Ta ingen annan betalning.",
            en: "Approved. Take no other payment.",
        },
        Message::NotAccepted => InAll {
            nb: "Forespørselen ble ikke godtatt. Ta annen betaling og si fra til kontoret.",
            da: "Anmodningen blev ikke accepteret. Tag anden betaling, og sig det til kontoret.",
            fi: "Maksupyyntöä ei hyväksytty. Ota muu maksu ja kerro toimistolle.",
            sv: "Begäran godtogs inte. Ta annan betalning och säg till kontoret.",
            en: "The request was not accepted. Take another payment and tell the office.",
        },
        Message::NoContact => InAll {
            nb: "Ingen dekning. Vent, ikke ta annen betaling. Prøver igjen.",
            da: "Ingen forbindelse. Vent, tag ikke anden betaling. Prøver igen.",
            fi: "Ei yhteyttä. Odota, älä ota muuta maksua. Yritetään uudelleen.",
            sv: "Ingen täckning. Vänta, ta ingen annan betalning. Försöker igen.",
            en: "No network. Wait, take no other payment. Trying again.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_text_fits_a_small_display() {
        for &language in Language::ALL {
            for &message in Message::ALL {
                let text = text(language, message);
                let place = format!("{language:?} {message:?}: {text}");
                assert!((1..=80).contains(&text.chars().count()), "{place}");
                assert!(text.len() <= 96, "{place}");
                assert!(text.ends_with('.'), "{place}");
                assert!(!text.contains("  "), "{place}");
                assert!(!text.chars().any(|c| c.is_numeric()), "{place}");
                assert!(!text.chars().any(|c| c.is_control()), "{place}");
                assert_eq!(text, text.trim(), "{place}");
            }
        }
    }

    #[test]
    fn no_two_messages_read_the_same() {
        for &language in Language::ALL {
            let texts: HashSet<_> = Message::ALL.iter().map(|&m| text(language, m)).collect();
            assert_eq!(texts.len(), Message::ALL.len());
        }
    }

    #[test]
    fn no_two_languages_read_the_same() {
        for &message in Message::ALL {
            let texts: HashSet<_> = Language::ALL.iter().map(|&l| text(l, message)).collect();
            assert_eq!(texts.len(), Language::ALL.len(), "{message:?}");
        }
    }

    #[test]
    fn nothing_is_called_failed_and_no_number_wrong() {
        let words = [
            "fail",
            "wrong",
            "invalid",
            "feil",
            "ugyldig",
            "mislyk",
            "forkert",
            "fejl",
            "ugyldigt",
            "fel ",
            "felaktig",
            "ogiltig",
            "misslyck",
            "väärä",
            "virheel",
            "epäonnistu",
        ];
        for &language in Language::ALL {
            for &message in Message::ALL {
                let text = text(language, message).to_lowercase();
                assert!(!words.iter().any(|w| text.contains(w)), "{text}");
            }
        }
    }

    #[test]
    fn languages_are_read_from_tags_and_locales() {
        for (text, language) in [
            ("nb", Language::Norwegian),
            ("nb-NO", Language::Norwegian),
            ("nb_NO.UTF-8", Language::Norwegian),
            ("no", Language::Norwegian),
            ("NO", Language::Norwegian),
            ("nn", Language::Norwegian),
            ("da", Language::Danish),
            ("da-DK", Language::Danish),
            ("fi", Language::Finnish),
            ("fi_FI@euro", Language::Finnish),
            ("sv", Language::Swedish),
            ("sv-FI", Language::Swedish),
            ("en", Language::English),
            ("en-GB", Language::English),
        ] {
            assert_eq!(Language::parse(text), language, "{text}");
        }
        for &language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), language);
        }
    }

    #[test]
    fn unknown_languages_are_english() {
        for text in [
            "", "de", "norsk", "fin", "-nb", " nb", "C", "POSIX", "\u{f8}",
        ] {
            assert_eq!(Language::parse(text), Language::English, "{text}");
        }
    }
}
