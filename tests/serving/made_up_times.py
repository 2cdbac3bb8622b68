"""Times of two rows, as measure_serving leaves them."""

from stages.serving.times import Machine, ServingTimes, UserTimes, WayTimes

MACHINE = Machine(
    date="2030-01-02", revision="abc", cpu="Fast", cores=2, threads=2, python="3.11", packages={"numpy": "2.2"}
)


def made_up_times() -> ServingTimes:
    """Fine: 0.1 ms by dense, 0.5 at the 99th percentile; 0.02 and 0.3 by tables; coarse: a tenth of it."""
    ways = [
        WayTimes(
            row=row,
            way=way,
            n_items=1_000_000 if made_up else 5000,
            made_up=made_up,
            memory_bytes=10**7,
            users_per_second=1e4,
            p50=p50 * factor,
            p99=p99 * factor,
            overlap=1.0,
            ndcg=None if made_up else ndcg,
        )
        for row, factor, ndcg in (("fine", 1.0, 0.39), ("coarse", 0.1, 0.35))
        for way, made_up, p50, p99 in (
            ("dense", False, 100.0, 500.0),
            ("tables, int8", False, 20.0, 300.0),
            ("tables, int8", True, 1.0, 2.0),
        )
    ]
    users = [
        UserTimes(
            row=row,
            n_users=603,
            encode=9.9,
            encode_one=2500.0,
            look_up_p50=5.0,
            look_up_p99=7.0,
            looked_up_per_second=1.2e6,
        )
        for row in ("fine", "coarse")
    ]
    return ServingTimes(machine=MACHINE, ways=ways, users=users)
