"""Public sets that `segue data get` knows: where their publishers keep them and under what terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch: where from, and its checksum where it is certain (md5 or sha256 in hex)."""

    address: str
    checksum: str | None = None

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class PublicSet:
    """A set, its terms in two sentences, and the path inside the folder that `segue data prepare` takes.

    Addresses are https. Where no checksum is certain, the connection alone says that the file is the publisher's.
    """

    name: str
    title: str
    home: str
    licence: str
    files: tuple[RemoteFile, ...] = ()
    ready: str = "."
    manual: str | None = None
    """How to get it by hand, for a set that its publisher gives only to people who log in."""

    @property
    def checked(self) -> str:
        """By what it is known that the files are the publisher's, in one line."""
        if all(file.checksum for file in self.files):
            return "Checked: against the checksum that is published."
        return (
            "Not checked: no checksum is published, so https alone vouches for what comes; received.json keeps its "
            "sha256, to compare with that of somebody else."
        )


_GROUPLENS = (
    "GroupLens terms: research use only; no commercial use and no redistribution without permission of the University "
    "of Minnesota. Cite Harper and Konstan 2015, doi:10.1145/2827872."
)
_AMAZON = (
    "Amazon product data (UCSD, 2014 release): published for research without a formal licence; the texts belong to "
    "their authors. Cite He and McAuley 2016 and McAuley et al. 2015."
)
_LENS = "https://files.grouplens.org/datasets/movielens"
_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"


def _movielens(name: str, title: str, checksum: str | None) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        home="https://grouplens.org/datasets/movielens/",
        licence=_GROUPLENS,
        files=(RemoteFile(f"{_LENS}/{name}.zip", checksum),),
        ready=name,
    )


def _amazon(name: str, category: str) -> PublicSet:
    return PublicSet(
        name=name,
        title=f"Amazon {category.replace('_', ' ')} 2014, 5-core reviews and metadata",
        home="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        licence=_AMAZON,
        files=(
            RemoteFile(f"{_SNAP}/reviews_{category}_5.json.gz"),
            RemoteFile(f"{_SNAP}/meta_{category}.json.gz"),
        ),
        ready=f"reviews_{category}_5.json.gz",
    )


# Checksums: the md5 files of GroupLens for the fixed sets and the md5 of Zenodo's page, which independent projects
# repeat. ml-latest-small changes; SNAP and the Foursquare page give none.
PUBLIC_SETS: dict[str, PublicSet] = {
    entry.name: entry
    for entry in (
        _movielens("ml-100k", "MovieLens 100K (1998), 5 MB", "0e33842e24a9c977be4e0107933c0723"),
        _movielens("ml-1m", "MovieLens 1M (2003), 6 MB", "c4d9eecfca2ab87c1945afe126590906"),
        _movielens("ml-20m", "MovieLens 20M (2015), 190 MB", "cd245b17a1ae2cc31bb14903e1204af3"),
        _movielens("ml-25m", "MovieLens 25M (2019), 250 MB", "6b51fb2759a8657d3bfcbfc42b592ada"),
        _movielens("ml-latest-small", "MovieLens, small and changing, 1 MB", None),
        _amazon("amazon-2014-beauty", "Beauty"),
        _amazon("amazon-2014-sports", "Sports_and_Outdoors"),
        _amazon("amazon-2014-toys", "Toys_and_Games"),
        PublicSet(
            name="kuairand-pure",
            title="KuaiRand-Pure (2022), 45 MB",
            home="https://kuairand.com",
            licence="KuaiRand (Gao et al., CIKM 2022): CC BY-SA 4.0.",
            files=(
                RemoteFile(
                    "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz", "0820331067a3784d9691136f772b35a7"
                ),
            ),
            ready="KuaiRand-Pure/data",
        ),
        PublicSet(
            name="foursquare",
            title="Foursquare check-ins of New York and Tokyo (TSMC 2014), 25 MB",
            home="https://sites.google.com/site/yangdingqi/home/foursquare-dataset",
            licence="Published for research; no commercial use. Cite Yang et al. 2015, IEEE Trans. SMC 45(1).",
            files=(RemoteFile("https://www-public.imtbs-tsp.eu/~zhang_da/pub/dataset_tsmc2014.zip"),),
            ready="dataset_tsmc2014",
        ),
        PublicSet(
            name="taobao",
            title="Taobao UserBehavior (2017), 100 million rows",
            home="https://tianchi.aliyun.com/dataset/649",
            licence="Tianchi data set 649 (Alibaba): research use, CC BY-NC-SA 4.0 by its page.",
            manual="Tianchi gives it only after logging in: open https://tianchi.aliyun.com/dataset/649, download "
            "UserBehavior.csv.zip, unpack it, then: segue data prepare UserBehavior.csv",
        ),
    )
}
