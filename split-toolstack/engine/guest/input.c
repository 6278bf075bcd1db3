/* SPDX-License-Identifier: BSD-3-Clause */
#include "split-toolstack/engine/guest/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "noxs/control.h"

#define REST_FIRST_S 0.001
#define REST_MOST_S  0.016

int input_add(struct input_queue *q, const void *data, uint32_t len)
{
	uint32_t room = INPUT_QUEUE_MAX - q->len;

	if (!q->bytes)
		q->bytes = malloc(INPUT_QUEUE_MAX);
	if (!q->bytes)
		return -ENOMEM;
	if (len > room)
		len = room;
	if (len > INPUT_QUEUE_MAX - q->at - q->len) {
		memmove(q->bytes, q->bytes + q->at, q->len);
		q->at = 0;
	}
	memcpy(q->bytes + q->at + q->len, data, len);
	q->len += len;
	return (int)len;
}

bool input_push(struct input_queue *q, struct noxs_control_end *ring)
{
	uint32_t room = q->len ? noxs_console_room(ring) : 0;
	int n;

	if (room != q->room) { /* it reads */
		q->room = room;
		q->rest = q->rest > 0. ? q->rest : REST_FIRST_S;
	} else {
		q->rest = 0.;
	}
	if (room < q->len && room < NOXS_CONSOLE_IN_SIZE / 2)
		return false;
	n = q->len ? noxs_console_put(ring, q->bytes + q->at, q->len) : 0;
	if (n <= 0)
		return false;
	q->len -= (uint32_t)n;
	q->at = q->len ? q->at + (uint32_t)n : 0;
	q->room = room - (uint32_t)n;
	return true;
}

double input_rest(struct input_queue *q, bool pushed)
{
	double rest = pushed ? REST_FIRST_S : q->rest;

	if (q->len == 0)
		return 0.;
	q->rest = rest * 2. < REST_MOST_S ? rest * 2. : REST_MOST_S;
	return rest;
}

void input_clear(struct input_queue *q)
{
	q->at = 0;
	q->len = 0;
}

void input_free(struct input_queue *q)
{
	free(q->bytes);
	*q = (struct input_queue){0};
}
