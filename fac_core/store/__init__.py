"""DuckDB: schema, ordered migrations, typed queries. All SQL of the project lives in this package."""
