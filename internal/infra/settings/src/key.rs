/// The settings that the programs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Where the database is, with its user and password.
    DatabaseDsn,
    /// The topic of products as stores announce them.
    ProductTopic,
    /// The topic of products whose images are complete.
    ProductWithFullImgSetTopic,
    /// The topic of products that passed the filter.
    ProductFilteredTopic,
    /// The topic of prompts.
    ProductFindTopic,
    /// The topic of recommendations.
    RecommendationTopic,
    /// Where the schema registry is.
    SchemaRegistryUrl,
    /// Where Kafka is.
    KafkaBrokers,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DatabaseDsn,
        Self::ProductTopic,
        Self::ProductWithFullImgSetTopic,
        Self::ProductFilteredTopic,
        Self::ProductFindTopic,
        Self::RecommendationTopic,
        Self::SchemaRegistryUrl,
        Self::KafkaBrokers,
    ];

    /// The name in `config.yaml`; in capitals, that in the environment and in `.env`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DatabaseDsn => "database_dsn",
            Self::ProductTopic => "product_topic",
            Self::ProductWithFullImgSetTopic => "product_with_full_img_set_topic",
            Self::ProductFilteredTopic => "product_filtered_topic",
            Self::ProductFindTopic => "product_find_topic",
            Self::RecommendationTopic => "recommendation_topic",
            Self::SchemaRegistryUrl => "schema_registry_url",
            Self::KafkaBrokers => "kafka_brokers",
        }
    }

    /// The flag that says it, where the programs have one.
    pub const fn flag(self) -> Option<&'static str> {
        match self {
            Self::KafkaBrokers => Some("--brokers"),
            Self::SchemaRegistryUrl => Some("--registry"),
            _ => None,
        }
    }
}
