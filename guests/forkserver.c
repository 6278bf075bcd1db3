/* SPDX-License-Identifier: BSD-3-Clause */
/* forkserver: each line that comes on TCP port 7 is answered by a child of its own, made by
 * noxs_fork(): "child N after M: LINE". M, the number of answers before, and the line are in the
 * child's copy of the server's memory. The child has no network: it passes its answer through the
 * channel to the server, which sends it and closes the connection. A child that ends without an
 * answer closes the connection, too: the line "crash" crashes it, "exit=N" ends it with that code.
 * Needs the key fork of the VM's file. Addresses: see lwip/port.h. */
#include "kit/fork.h"
#include "lwip/port.h"

#include <xen/sched.h>

#define PORT	7
#define CLIENTS (NOXS_CHILDREN_MAX - 1) /* one slot is for a child that is being removed */
#define LINE	256u
#define ANSWER	(LINE + 48)
/* A host may be busy, and chaosd may be restarted meanwhile. */
#define WAIT_NS	 60000000000u
#define AGAIN_NS 20000000u

enum state { FREE, READS, ASKED, FORKED };

/* A connection, or a child whose client has gone. */
static struct client {
	enum state state;
	struct tcp_pcb *pcb; /* NULL: the client has gone */
	uint32_t len;
	char text[ANSWER]; /* the line, then the answer */
	struct noxs_channel child;
	uint64_t until;
} clients[CLIENTS];

static uint64_t answered, failed_children, refused;

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

	kit.at_stop = NULL; /* the counters are the server's */
	if (strcmp(c->text, "crash") == 0)
		*(volatile uint64_t *)0x7000000000ull = 1;
	if (strncmp(c->text, "exit=", 5) == 0)
		kit_shutdown(SHUTDOWN_poweroff, (uint32_t)(c->text[5] - '0'));
	len = write_text(answer, "child %u after %lu: %s\n", c->child.number, answered, c->text);
	while (n < len && c->child.out && kit_time_ns() < until) {
		n += noxs_send(&c->child, answer + n, len - n);
		if (n < len)
			kit_wait(AGAIN_NS);
	}
	kit_shutdown(SHUTDOWN_poweroff, n < len);
}

/* --- the server --- */

/* True: it had to be aborted, which a callback of lwIP returns. */
static bool hang_up(struct client *c)
{
	struct tcp_pcb *pcb = c->pcb;

	c->pcb = NULL;
	if (c->state != FORKED)
		c->state = FREE;
	if (!pcb)
		return false;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_err(pcb, NULL);
	if (tcp_close(pcb) == ERR_OK)
		return false;
	tcp_abort(pcb);
	return true;
}

static void not_forked(struct client *c, int rc)
{
	if (!refused++)
		kit_print("forkserver: no child: error %d%s\r\n", rc,
			  rc == -NOXS_FORK_EPERM ? ": the VM's file has no fork=N" : "");
	(void)hang_up(c);
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
	next = rc < 0 ? now + AGAIN_NS : 0;
	if ((rc == -NOXS_FORK_EAGAIN || rc == -CHANNEL_EINTR) && now < c->until)
		return;
	if (rc < 0) {
		not_forked(c, rc);
		return;
	}
	c->state = FORKED;
	c->until = kit_time_ns() + WAIT_NS;
	c->len = 0;
}

static void child_ended(struct client *c, int code)
{
	bool good = code == 0 && c->len && c->text[c->len - 1] == '\n';

	answered += good;
	failed_children += !good;
	c->state = FREE;
	if (good && c->pcb &&
	    tcp_write(c->pcb, c->text, (uint16_t)c->len, TCP_WRITE_FLAG_COPY) == ERR_OK)
		(void)tcp_output(c->pcb);
	(void)hang_up(c);
}

/* What a child sends is what a guest sends: bounded. One that does not end keeps its slot. */
static void listen_to(struct client *c)
{
	bool ended = noxs_ended(&c->child); /* before its last bytes are read */

	c->len += noxs_receive(&c->child, c->text + c->len, ANSWER - c->len);
	if (ended)
		child_ended(c, noxs_wait(&c->child, 0));
	else if (kit_time_ns() >= c->until)
		(void)hang_up(c);
}

/* Outside of lwIP's callbacks. */
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
	}
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct client *c = arg;

	if (!p) /* no more will come; an answer may be on its way */
		return c->state == READS && hang_up(c) ? ERR_ABRT : ERR_OK;
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
			c->text[c->len++] = byte;
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
	kit_print("forkserver: %lu answered, %lu children without an answer, %lu not made\r\n",
		  answered, failed_children, refused);
}

int guest_main(void)
{
	kit_traps();
	kit.at_stop = print_counters;
	port_each_turn = each_turn;
	return port_serve(PORT, accepted, ignored);
}
