/* SPDX-License-Identifier: BSD-3-Clause */
/* A request while chaosd works on it: its connection is suspended, and resumed with the answer. */
#include "split-toolstack/api/api.h"

void rq_wake(struct rq *rq)
{
	if (!rq->suspended)
		return;
	rq->suspended = false;
	MHD_resume_connection(rq->conn);
	ev_prepare_start(rq->api->loop, &rq->api->run_http);
}

void rq_answer(struct rq *rq, unsigned int status)
{
	if (rq->answered)
		return;
	rq->answered = true;
	rq->status = status;
	rq_wake(rq);
}

const char *rq_query(struct rq *rq, const char *key)
{
	return MHD_lookup_connection_value(rq->conn, MHD_GET_ARGUMENT_KIND, key);
}
