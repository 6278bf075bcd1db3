/* SPDX-License-Identifier: BSD-3-Clause */
/* forkserver: each line that comes on TCP port 7 is answered by a child of its own, made for it by
 * noxs_fork(): "child N: LINE". The line "crash" crashes the child, "exit=N" ends it without an
 * answer; the client then reads what became of it, and the server goes on. Needs the key fork of
 * the VM's file. Addresses: see lwip/port.h. */
#include "kit/fork.h"
#include "lwip/port.h"

#include <xen/sched.h>

#define PORT	7
#define CLIENTS (NOXS_CHILDREN_MAX - 1) /* with one slot for a child that is still going */
#define LINE	256u
#define ANSWER	(LINE + 32)
/* Of a child, until its answer: a host may be busy. */
#define WAIT_NS	 60000000000u
#define AGAIN_NS 20000000u

enum state { FREE, READS, ASKED, FORKED, ANSWERED };

/* A connection, or what is left of one: a child that has not ended. */
static struct client {
	enum state state;
	struct tcp_pcb *pcb; /* NULL: the client has gone */
	uint32_t len;
	char text[ANSWER]; /* the line, then the answer */
	struct noxs_channel child;
	uint64_t until;
} clients[CLIENTS];

static uint64_t answered, failed_children;

static uint32_t write_text(char to[ANSWER], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static uint32_t write_text(char to[ANSWER], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kit_format(to, ANSWER, fmt, ap);
	va_end(ap);
	if (n < 0)
		return 0;
	return (uint32_t)n < ANSWER ? (uint32_t)n : ANSWER - 1;
}

/* --- the child --- */

static void be_child(struct client *c) __attribute__((noreturn));

static void be_child(struct client *c)
{
	char answer[ANSWER];
	uint64_t until = kit_time_ns() + WAIT_NS;
	uint32_t len;
	uint32_t n = 0;

	if (strcmp(c->text, "crash") == 0)
		*(volatile uint64_t *)0x7000000000ull = 1;
	if (strncmp(c->text, "exit=", 5) == 0)
		kit_shutdown(SHUTDOWN_poweroff, (uint32_t)(c->text[5] - '0'));
	len = write_text(answer, "child %u: %s\n", c->child.number, c->text);
	while (n < len && kit_time_ns() < until) {
		n += noxs_send(&c->child, answer + n, len - n);
		if (n < len)
			kit_wait(50000000);
	}
	kit_shutdown(SHUTDOWN_poweroff, 0);
}

/* --- the server --- */

static void hang_up(struct client *c)
{
	struct tcp_pcb *pcb = c->pcb;

	c->pcb = NULL;
	if (c->state != FORKED)
		c->state = FREE;
	if (!pcb)
		return;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_err(pcb, NULL);
	if (tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

static void answer(struct client *c)
{
	if (c->pcb && tcp_write(c->pcb, c->text, (uint16_t)c->len, TCP_WRITE_FLAG_COPY) == ERR_OK)
		(void)tcp_output(c->pcb);
	hang_up(c);
}

/* With too many children the line waits for the end of one. */
static void fork_for(struct client *c)
{
	static uint64_t next; /* not more often than chaosd is to be asked */
	uint64_t now = kit_time_ns();
	int rc;

	if (now < next)
		return;
	rc = noxs_fork(&c->child);
	if (rc == 0)
		be_child(c);
	if (rc == -NOXS_FORK_EAGAIN && now < c->until) {
		next = now + AGAIN_NS;
		return;
	}
	c->state = FORKED;
	c->until = kit_time_ns() + WAIT_NS;
	c->len = 0;
	if (rc > 0)
		return;
	c->state = ANSWERED;
	c->len = write_text(c->text, "error: no child: %s\n",
			    rc == -NOXS_FORK_EPERM ? "the VM's file has no fork=N"
						   : "too many, or too little memory");
}

static void child_ended(struct client *c, int code)
{
	c->state = ANSWERED;
	answered += code == 0 && c->len;
	failed_children += code != 0 || !c->len;
	if (code < 0 || code == 256)
		c->len = write_text(c->text, "error: child %u crashed\n", c->child.number);
	else if (code > 0 || !c->len)
		c->len = write_text(c->text, "error: child %u ended with %d\n", c->child.number,
				    code);
}

/* What a child sends is what a guest sends: bounded. One that does not end keeps its slot. */
static void listen_to(struct client *c)
{
	int code;

	c->len += noxs_receive(&c->child, c->text + c->len, ANSWER - 1 - c->len);
	code = noxs_wait(&c->child, 1);
	if (code != -NOXS_FORK_EAGAIN) {
		child_ended(c, code);
	} else if (kit_time_ns() >= c->until) {
		c->until = UINT64_MAX;
		c->len = write_text(c->text, "error: child %u does not answer\n", c->child.number);
		answer(c);
	}
}

/* After what came: children are made, heard and answered outside of lwIP's callbacks. */
static void each_turn(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (c->state == ASKED && !c->pcb)
			c->state = FREE;
		if (c->state == ASKED)
			fork_for(c);
		if (c->state == FORKED)
			listen_to(c);
		if (c->state == ANSWERED) {
			if (c->pcb && tcp_write(c->pcb, c->text, (uint16_t)c->len,
						TCP_WRITE_FLAG_COPY) == ERR_OK)
				(void)tcp_output(c->pcb);
			hang_up(c);
		}
	}
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct client *c = arg;

	if (!p) { /* no more will come; an answer may be on its way */
		if (c && c->state == READS)
			hang_up(c);
		return ERR_OK;
	}
	if (err != ERR_OK) {
		pbuf_free(p);
		return err;
	}
	for (uint16_t i = 0; i < p->tot_len && c->state == READS; i++) {
		char byte = (char)pbuf_get_at(p, i);

		if (byte == '\n' || c->len == LINE - 1) {
			c->text[c->len] = '\0';
			c->state = ASKED;
			c->until = kit_time_ns() + WAIT_NS;
		} else if (byte != '\r') {
			c->text[c->len++] = byte >= ' ' && byte < 127 ? byte : '?';
		}
	}
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

static void failed(void *arg, err_t err)
{
	struct client *c = arg;

	(void)err;
	if (!c)
		return;
	c->pcb = NULL;
	if (c->state == READS)
		c->state = FREE;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	uint32_t i = 0;

	(void)arg;
	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	while (i < CLIENTS && clients[i].state != FREE)
		i++;
	if (i == CLIENTS) { /* more than there can be children */
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	clients[i] = (struct client){.state = READS, .pcb = pcb};
	tcp_arg(pcb, &clients[i]);
	tcp_recv(pcb, received);
	tcp_err(pcb, failed);
	tcp_nagle_disable(pcb);
	return ERR_OK;
}

static void ignored(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
		    uint16_t port)
{
	(void)arg;
	(void)pcb;
	(void)from;
	(void)port;
	pbuf_free(p);
}

static void print_counters(void)
{
	kit_print("forkserver: %lu answered, %lu children without an answer\r\n", answered,
		  failed_children);
}

int guest_main(void)
{
	kit_traps();
	kit.at_stop = print_counters;
	port_each_turn = each_turn;
	return port_serve(PORT, accepted, ignored);
}
