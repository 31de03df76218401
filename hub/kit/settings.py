"""Settings of one process, read once from the environment."""

from __future__ import annotations

import os
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Stage(StrEnum):
    """Which world this installation belongs to. Keys, targets and data of different stages never mix."""

    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


def _data_folder() -> Path:
    """The XDG data folder, so that the place does not depend on where a command was typed."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ozg-hub"


class Settings(BaseSettings):
    """All settings; the name of the environment variable is written beside each field.

    Without any variable this is the embedded set-up: SQLite, in-process carrier, folder blobs, stage demo.
    """

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", frozen=True, validate_default=True)

    database_url_given: str | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    broker_url: str | None = Field(default=None, validation_alias="BROKER_URL", repr=False)
    stage: Stage = Field(default=Stage.DEMO, validation_alias="HUB_STAGE")
    data: Path = Field(default_factory=_data_folder, validation_alias="HUB_DATA")
    key_file_given: Path | None = Field(default=None, validation_alias="HUB_KEY_FILE")
    standards: Annotated[tuple[Path, ...], NoDecode] = Field(default=(), validation_alias="HUB_STANDARDS")
    public_url: str = Field(default="http://127.0.0.1:8000", validation_alias="HUB_PUBLIC_URL")
    tenant: str = Field(default="worms", validation_alias="HUB_TENANT")
    pool_size: int = Field(default=5, validation_alias="HUB_POOL_SIZE", ge=1)
    pool_overflow: int = Field(default=10, validation_alias="HUB_POOL_OVERFLOW", ge=0)
    worker_processes: int = Field(default=2, validation_alias="HUB_WORKER_PROCESSES", ge=1)
    worker_threads: int = Field(default=2, validation_alias="HUB_WORKER_THREADS", ge=1)
    log_level: str = Field(default="INFO", validation_alias="HUB_LOG_LEVEL")
    log_format: str | None = Field(default=None, validation_alias="HUB_LOG_FORMAT", pattern="^(json|console)$")

    @field_validator("standards", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        """``HUB_STANDARDS`` is a list of folders, separated as PATH is."""
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def database_url(self) -> str:
        """The configured database, or SQLite in the data folder."""
        return self.database_url_given or f"sqlite:///{self.data / 'hub.db'}"

    @property
    def key_file(self) -> Path:
        """File of the master keys; ``master.key`` in the data folder unless ``HUB_KEY_FILE`` names another."""
        return (self.key_file_given or self.data / "master.key").expanduser().absolute()

    @property
    def embedded(self) -> bool:
        """True when no broker is configured: jobs are then carried inside the process."""
        return not self.broker_url

    @property
    def standards_folders(self) -> tuple[Path, ...]:
        """Folders that hold installed standards packs; the data folder's own when none is named."""
        return self.standards or (self.data / "standards",)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. ``settings.cache_clear()`` makes tests read them again."""
    return Settings()
