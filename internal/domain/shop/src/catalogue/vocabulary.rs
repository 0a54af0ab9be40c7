//! The words products are made of. Changing any of them changes what every seed gives.

/// One department of a store.
#[derive(Clone, Copy, Default)]
pub(super) struct Department {
    pub(super) name: &'static str,
    /// What its article numbers begin with.
    pub(super) code: &'static str,
    /// First words of a name, the common ones first.
    pub(super) qualities: &'static [&'static str],
    /// The rest of a name, the common ones first.
    pub(super) things: &'static [&'static str],
    /// Whole names for stores that sell in roubles.
    pub(super) russian: &'static [&'static str],
    pub(super) brands: &'static [&'static str],
    pub(super) specifications: &'static [(&'static str, &'static [&'static str])],
    /// The cheapest and the dearest, in whole euros.
    pub(super) euros: (u32, u32),
}

pub(super) const DEPARTMENTS: &[Department] = &[
    Department {
        name: "Lighting",
        code: "LIG",
        qualities: &["Oak", "Brass", "Paper", "Linen", "Ceramic", "Smoked glass"],
        things: &["desk lamp", "floor lamp", "table lamp", "pendant light", "wall light", "reading lamp"],
        russian: &["Настольная лампа", "Торшер", "Подвесной светильник", "Бра"],
        brands: &["Lumenova", "Nordlicht", "Halden & Co", "Svetoch"],
        specifications: &[
            ("power", &["5 W", "7 W", "9 W", "12 W"]),
            ("socket", &["E14", "E27", "GU10"]),
            ("colour temperature", &["2700 K", "3000 K", "4000 K"]),
        ],
        euros: (19, 240),
    },
    Department {
        name: "Furniture",
        code: "FUR",
        qualities: &["Oak", "Walnut", "Birch", "Steel", "Rattan", "Painted"],
        things: &["desk", "bookcase", "dining chair", "bedside table", "coffee table", "wardrobe"],
        russian: &["Письменный стол", "Книжный шкаф", "Обеденный стул", "Журнальный столик"],
        brands: &["Tischlerei Born", "Fjordhem", "Massiv", "Kontur"],
        specifications: &[
            ("width", &["40 cm", "60 cm", "80 cm", "120 cm", "160 cm"]),
            ("finish", &["oiled", "lacquered", "waxed"]),
            ("assembly", &["needed", "not needed"]),
        ],
        euros: (45, 1290),
    },
    Department {
        name: "Kitchen",
        code: "KIT",
        qualities: &["Cast iron", "Stainless", "Enamel", "Copper", "Carbon steel", "Stoneware"],
        things: &["frying pan", "kettle", "saucepan", "casserole", "salad bowl", "coffee pot"],
        russian: &["Чугунная сковорода", "Эмалированный чайник", "Ручная кофемолка", "Разделочная доска"],
        brands: &["Herdwerk", "Casa Blu", "Olivar", "Samovarov"],
        specifications: &[
            ("capacity", &["0.8 l", "1.5 l", "2.4 l", "4 l"]),
            ("dishwasher", &["safe", "hand wash only"]),
            ("weight", &["0.6 kg", "1.1 kg", "2.3 kg"]),
        ],
        euros: (9, 180),
    },
    Department {
        name: "Textiles",
        code: "TEX",
        qualities: &["Wool", "Linen", "Cotton", "Cashmere", "Striped", "Quilted"],
        things: &["blanket", "cushion", "rug", "bath towel", "curtain", "tablecloth"],
        russian: &["Шерстяной плед", "Льняная скатерть", "Хлопковое полотенце", "Тканый ковёр"],
        brands: &["Wollhaus", "Lino Bianco", "Tkachi", "Meadow Mill"],
        specifications: &[
            ("size", &["50 x 50 cm", "70 x 140 cm", "130 x 170 cm", "160 x 230 cm"]),
            ("wash", &["30 °C", "40 °C", "60 °C", "dry clean"]),
            ("colour", &["sand", "rust", "sage", "ink", "snow"]),
        ],
        euros: (8, 320),
    },
    Department {
        name: "Electronics",
        code: "ELE",
        qualities: &["Wireless", "Compact", "Portable", "Smart", "Studio", "Solar"],
        things: &["headphones", "speaker", "keyboard", "charger", "alarm clock", "weather station"],
        russian: &["Беспроводные наушники", "Портативная колонка", "Метеостанция", "Будильник"],
        brands: &["Quarzon", "Beltone", "Volta Nine", "Impuls"],
        specifications: &[
            ("battery", &["8 h", "20 h", "36 h", "none"]),
            ("connection", &["Bluetooth 5.3", "USB-C", "2.4 GHz"]),
            ("guarantee", &["2 years", "3 years", "5 years"]),
        ],
        euros: (15, 390),
    },
    Department {
        name: "Garden",
        code: "GAR",
        qualities: &["Terracotta", "Steel", "Cedar", "Folding", "Galvanised", "Hanging"],
        things: &["plant pot", "watering can", "garden chair", "bird feeder", "planter", "spade"],
        russian: &["Садовая лейка", "Цветочный горшок", "Складной стул", "Кормушка для птиц"],
        brands: &["Grünzeug", "Hortus", "Dacha Lavka", "Thornfield"],
        specifications: &[
            ("height", &["18 cm", "32 cm", "75 cm", "110 cm"]),
            ("weatherproof", &["yes", "indoors only"]),
        ],
        euros: (6, 210),
    },
    Department {
        name: "Stationery",
        code: "STA",
        qualities: &["Leather", "Recycled", "Ruled", "Pocket", "Clothbound", "Brass"],
        things: &["notebook", "fountain pen", "pencil case", "desk tray", "letter opener", "diary"],
        russian: &["Кожаный блокнот", "Перьевая ручка", "Ежедневник", "Пенал"],
        brands: &["Papeterie Nord", "Inkwell", "Bumaga", "Folio & Sons"],
        specifications: &[
            ("format", &["A4", "A5", "A6"]),
            ("pages", &["96", "144", "192", "none"]),
            ("refill", &["included", "sold separately"]),
        ],
        euros: (4, 95),
    },
    Department {
        name: "Outdoor",
        code: "OUT",
        qualities: &["Lightweight", "Insulated", "Waterproof", "Down", "Titanium", "Canvas"],
        things: &["backpack", "sleeping bag", "water bottle", "tent", "camping stove", "head torch"],
        russian: &["Походный рюкзак", "Спальный мешок", "Термос", "Двухместная палатка"],
        brands: &["Felsgrat", "Taiga Trail", "Cairn", "Polaris Works"],
        specifications: &[
            ("weight", &["180 g", "640 g", "1.2 kg", "2.9 kg"]),
            ("season", &["three seasons", "four seasons", "summer"]),
            ("colour", &["moss", "slate", "ember", "lake"]),
        ],
        euros: (12, 480),
    },
];

pub(super) const PRAISES: &[&str] = &[
    "Made to be used every day and to look better for it.",
    "A quiet shape that sits well with what you already have.",
    "Built from few parts, each of which can be replaced.",
    "Tested for ten years of ordinary life, not for a photograph.",
    "Light enough to move around, solid enough to stay where it is put.",
    "Finished by hand in small runs, so no two are quite alike.",
];

pub(super) const CLOSINGS: &[&str] = &[
    "Packed without plastic.",
    "Spare parts are kept for twelve years.",
    "Ships within two working days.",
    "Can be returned within thirty days.",
    "Comes with a guarantee card and a care leaflet.",
];

pub(super) const TAGS: &[&str] =
    &["new", "sale", "bestseller", "gift idea", "handmade", "eco", "limited", "home office", "small spaces"];

/// What the images show, in order.
pub(super) const VIEWS: &[&str] =
    &["front", "side", "detail of the material", "in use", "in the box", "size next to a hand"];
