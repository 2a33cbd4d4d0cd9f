"""Dagster as an operator's browser uses it: GraphQL. A webserver that is just coming back is asked again."""

import time
from typing import Any

import httpx

SELECTOR = {"repositoryLocationName": "handoff", "repositoryName": "__repository__"}

LAUNCH = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }
"""
BACKFILL = """
mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
BACKFILL_STATE = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }
"""
RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "handoff") {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }
"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
RUNS = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 100) { ... on Runs { results { runId status } } } }
"""
PARTITIONS = """
query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetPartitionStatuses {
  ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }
"""
DRY_RUN = """
mutation ($selector: ScheduleSelector!, $at: Float) { scheduleDryRun(selectorData: $selector, timestamp: $at) {
  ... on PythonError { message } ... on ScheduleNotFoundError { message }
  ... on DryRunInstigationTick { evaluationResult {
    error { message stack } skipReason runRequests { runConfigYaml tags { key value } } } } } }
"""
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class Dagster:
    """The webserver of one stack."""

    def __init__(self, http: httpx.Client, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        """The one member of the answer's data."""
        for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
            try:
                response = self._http.post(self._url, json={"query": query, "variables": variables})
                found = response.json().get("data") if response.status_code == 200 else None
            except (httpx.TransportError, ValueError):
                found = None
            if found:
                return next(iter(found.values()))
            time.sleep(pause)
        raise RuntimeError("Dagster's webserver does not answer")

    def launch(self, job: str, *, config: dict[str, Any] | None = None, partition: str = "") -> str:
        """Launch a job as the launchpad does; the run's id."""
        tags = [{"key": "dagster/partition", "value": partition}] if partition else []
        params = {
            "selector": {**SELECTOR, "jobName": job},
            "runConfigData": config or {},
            "executionMetadata": {"tags": tags},
        }
        answer = self.ask(LAUNCH, params=params)
        if answer["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"launchRun of {job}: {answer['__typename']}")
        return str(answer["run"]["runId"])

    def judge(self, lane: str, day: str, **config: str) -> str:
        """Launch one day of a lane's ledger with this configuration; the run's id."""
        ops = {"ops": {f"{lane}__ledger": {"config": config}}}
        return self.launch(f"{lane}_ledger", config=ops, partition=day)

    def status(self, run: str) -> str:
        """A run's status."""
        return str(self.ask(RUN, id=run)["status"])

    def finish(self, run: str, seconds: float = 120.0) -> str:
        """Wait for a run; how it ended."""
        end = time.monotonic() + seconds
        while (status := self.status(run)) not in ENDED and time.monotonic() < end:
            time.sleep(0.3)
        return status

    def runs(self, job: str, *statuses: str) -> list[str]:
        """Runs of a job in one of these states."""
        found = self.ask(RUNS, filter={"pipelineName": job, "statuses": list(statuses)})
        return [one["runId"] for one in found["results"]]

    def backfill(self, asset: list[str], days: list[str]) -> str:
        """What the button of the asset's page does for these partitions; the backfill's id."""
        params = {"assetSelection": [{"path": asset}], "partitionNames": days}
        answer = self.ask(BACKFILL, params=params)
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(f"launchPartitionBackfill: {answer['__typename']}")
        return str(answer["backfillId"])

    def backfill_state(self, backfill: str) -> str:
        """How far it is."""
        return str(self.ask(BACKFILL_STATE, id=backfill)["status"])

    def partitions(self, asset: list[str]) -> dict[str, str]:
        """The colour of each partition that has one; ranges of one day."""
        found = self.ask(PARTITIONS, key={"path": asset})["assetPartitionStatuses"]
        ranges = found.get("ranges", [])
        return {one["startKey"]: one["status"] for one in ranges} | {
            one["endKey"]: one["status"] for one in ranges
        }

    def reload(self) -> str:
        """Load the code location anew."""
        return str(self.ask(RELOAD)["locationOrLoadError"]["__typename"])

    def schedule(self, name: str, at: float) -> list[dict[str, Any]]:
        """The runs a schedule would ask for at a moment."""
        found = self.ask(DRY_RUN, selector={**SELECTOR, "scheduleName": name}, at=at)
        if "evaluationResult" not in found or found["evaluationResult"]["error"]:
            raise RuntimeError(f"the schedule cannot be evaluated: {found}"[:2_000])
        return list(found["evaluationResult"]["runRequests"] or [])
