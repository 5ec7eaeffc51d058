"""Benchmark: a till's list of 10,000 products again and again, beside orders.

`python tests/benchmarks/product_mirror.py [--rounds N] [--window S]`. The cloud is a small HTTPS server that counts.
First as many products as the list has go to it as calls of a till, then the list. Then the cloud is away, and
lists with more and more changed prices come while tills hand over orders; windows with a list take turns with windows
without one.
"""

import argparse
import concurrent.futures
import http.client
import json
import statistics
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.outbox_drain import Cloud
from tests.benchmarks.outbox_shop import GatewayFiles, Program, folder, load

PRODUCTS: Final = 10_000
CLIENTS: Final = 8
LIMIT_S: Final = 300.0
FILLS: Final = 4
"""How many other shops get their first list before the one that is measured further."""
MAX_CHECK_S, MAX_PAUSE_S, MIN_RATE, MAX_MEMORY_MB = 1.0, 0.05, 0.9, 60.0
"""What is promised: seconds to read, check and compare; those a question waits longer; beside orders; above idle."""
MAX_LOAD_RATIO: Final = 3.0
"""How long a list takes until the cloud has all of it, beside as many products handed over as calls."""


class Shop:
    """A gateway with a token that may take lists."""

    def __init__(self, where: Path, cloud: Cloud) -> None:
        self.files = GatewayFiles(where, cloud_url=cloud.url, ca_file=cloud.ca_file)
        text = self.files.config.read_text(encoding="utf-8")
        self.files.config.write_text(
            text.replace("[server]\n", "[server]\npos_deletes_products = true\n"), encoding="utf-8"
        )

    def put(self, content: bytes, query: str = "") -> dict[str, Any]:
        """Hand over a whole list, and return the report. Raises RuntimeError if it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.files.port, timeout=120)
        headers = {"Authorization": f"Bearer {self.files.token}", "Content-Type": "text/csv"}
        connection.request("PUT", f"/api/v1/products?source=erp&confirm=true{query}", content, headers)
        answer = connection.getresponse()
        report: dict[str, Any] = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"the list was not taken: {report}")
        return report

    def wait_until_settled(self) -> None:
        """Return when the cloud has taken every change."""
        end = time.monotonic() + LIMIT_S
        while self.files.call("GET", "/api/v1/products?limit=1")["counts"]["settled"] < PRODUCTS:
            if time.monotonic() > end:
                raise RuntimeError("not all products came to the cloud")
            time.sleep(0.05)


def make_list(changes: int) -> bytes:
    """Return the list after so many changes of one per cent of its prices, as a till in China saves it."""
    lines = ["商品编码,条码,品名,规格,单位,产地,品牌,售价,会员价"]
    for number in range(PRODUCTS):
        moved = changes if number % 100 < changes else 0
        price = Decimal(number % 5000 + 500 + moved) / 100
        lines.append(
            f"{number:06},690{number:09}0,商品名称{number},{number % 9}00ml,瓶,上海,品牌{number % 50},{price:.2f},"
            f"{price * Decimal('0.9'):.2f}"
        )
    return "\n".join(lines).encode("gbk")


def measure_pause(port: int, work: "concurrent.futures.Future[Any]") -> float:
    """Return the longest time that the gateway took for its shortest answer while some work went on, in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    longest = 0.0
    while not work.done():
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        longest = max(longest, time.perf_counter() - began)
    connection.close()
    return longest


def measure_orders(shop: Shop, window_s: float, content: bytes | None) -> float:
    """Return how many orders a second are accepted, while a list comes or not."""
    handing = threading.Thread(target=shop.put, args=(content,)) if content else None
    if handing:
        handing.start()
    rate = load(shop.files.port, CLIENTS, window_s, shop.files.token)["per_s"]
    if handing:
        handing.join()
    return rate


def wait_for_products(cloud: Cloud, count: int) -> None:
    """Return when so many products have come to the cloud."""
    end = time.monotonic() + LIMIT_S
    while cloud.ask("/healthz")["products"] < count:
        if time.monotonic() > end:
            raise RuntimeError("not all products came to the cloud")
        time.sleep(0.05)


def hand_over(shop: Shop, cloud: Cloud) -> float:
    """Hand over as many products as calls of the cloud, as a till without a list does; return when all have come."""
    products = [
        {
            "id": f"x{number:06}",
            "name": f"商品名称{number}",
            "bar_code": f"690{number:09}0",
            "price": 5.00,
            "unit": "瓶",
        }
        for number in range(PRODUCTS)
    ]
    began = time.monotonic()
    for first in range(0, PRODUCTS, 1500):
        shop.files.call("POST", "/api/v1/cloud/product/create", {"product_list": products[first : first + 1500]})
    wait_for_products(cloud, PRODUCTS)
    took_s = time.monotonic() - began
    while shop.files.depth:
        time.sleep(0.02)
    return took_s


def fill(shop: Shop, cloud: Cloud, program: Program) -> float:
    """Return how long the whole list takes to reach the cloud, beside as many products without one."""
    products_s = hand_over(shop, cloud)
    before = program.cpu_s
    began = time.monotonic()
    shop.put(make_list(0))
    wait_for_products(cloud, 2 * PRODUCTS)
    list_s = time.monotonic() - began
    shop.wait_until_settled()
    settled_s = time.monotonic() - began
    print(
        f"the whole list is at the cloud after {list_s:.2f} s, as many products without one after {products_s:.2f} s; "
        f"confirmed after {settled_s:.2f} s, {program.cpu_s - before:.2f} s of processor time"
    )
    return list_s / products_s


def fill_new_shop(where: Path, cloud: Cloud) -> float:
    """Return what `fill` does for a shop of its own."""
    shop = Shop(where, cloud)
    with shop.files.gateway() as program, cloud:
        return fill(shop, cloud, program)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--window", type=float, default=30.0, help="Seconds; one list comes in each.")
    arguments = parser.parse_args()
    with folder() as where:
        cloud = Cloud(where)
        shares = [fill_new_shop(where / f"shop-{number}", cloud) for number in range(FILLS)]
        shop = Shop(where / "shop", cloud)
        with shop.files.gateway() as program, concurrent.futures.ThreadPoolExecutor(1) as pool:
            with cloud:
                shares.append(fill(shop, cloud, program))
            shop.files.call("POST", "/api/v1/cloud/product/getList", {})  # fails: now the cloud is known to be away
            idle_mb = program.memory_mb
            checks, pauses, bare, ratios, memory = [], [], [], [], []
            for number in range(1, arguments.rounds + 1):
                content = make_list(number)
                bare.append(measure_pause(shop.files.port, pool.submit(time.sleep, 1.0)))
                began = time.perf_counter()
                checking = pool.submit(shop.put, content, "&dry_run=true")
                pauses.append(measure_pause(shop.files.port, checking))
                checks.append(time.perf_counter() - began)
                if checking.result()["updated"] != PRODUCTS // 100 * number:
                    raise RuntimeError(f"other changes than expected: {checking.result()}")
                alone = measure_orders(shop, arguments.window, None)
                ratios.append(measure_orders(shop, arguments.window, content) / alone)
                memory.append(program.memory_mb - idle_mb)
    check_s, pause_s, bare_s = map(statistics.median, (checks, pauses, bare))
    rate, most_mb, share = statistics.median(ratios), max(memory), statistics.median(shares)
    print(f"{PRODUCTS} products, {arguments.rounds} lists with more and more changed prices; medians")
    print(f"read, checked and compared in {check_s:.2f} s beside questions; promised: {MAX_CHECK_S} s")
    print(f"a question waits for {pause_s * 1000:.0f} ms at most, {bare_s * 1000:.0f} ms without a list; promised: "
          f"{MAX_PAUSE_S * 1000:.0f} ms more")  # fmt: skip
    print(f"orders beside a list every {arguments.window:.0f} s: {rate:.2f} of those without; promised: {MIN_RATE}")
    print(f"memory above idle: {most_mb:.0f} MB; promised: {MAX_MEMORY_MB:.0f}")
    print(f"the whole list beside as many products without one: {share:.2f}; promised: {MAX_LOAD_RATIO}")
    kept = {
        "check": check_s <= MAX_CHECK_S,
        "event loop": pause_s - bare_s <= MAX_PAUSE_S,
        "orders": rate >= MIN_RATE,
        "memory": most_mb <= MAX_MEMORY_MB,
        "first list": share <= MAX_LOAD_RATIO,
    }
    missed = [name for name, well in kept.items() if not well]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
