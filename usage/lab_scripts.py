"""What the Lab's three agents know and say. Data only; how they listen is lab_agents.py's."""

from usage.lab_agents import Agent, Intent, Line, Slot

_DAY = r"\b(?:today|tomorrow|(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|next week)\b"
_AGO = r"yesterday|last (?:week|night|month)|this morning|(?:an?|\d+) (?:hour|day|week|month)s? ago|always"
_SINCE = rf"{_DAY}|\b(?:{_AGO})\b"
_TIME = r"\b(?:[01]?\d|2[0-3])(?::[0-5]\d)?\s*(?:am|pm|o'clock)\b|\b(?:[01]?\d|2[0-3]):[0-5]\d\b|\b(?:noon|morning|afternoon|evening)\b"
_PHONE = r"\+?\d[\d\s().-]{5,18}\d"
_NUMBER = r"\b[A-Z]{0,3}-?\d{3,10}\b"

DAY = Slot(name="day", question="Which day suits you?", pattern=_DAY, again="Sorry, which day? A weekday or “tomorrow” will do.")
TIME = Slot(name="time", question="{day}, then. At what time?", pattern=_TIME, again="At what time? For example “10:30” or “2 pm”.")
NAME = Slot(name="name", question="Under which name shall I note it?")
PHONE = Slot(
    name="phone",
    question="Which number can we call you back on?",
    pattern=_PHONE,
    again="That did not look like a phone number. Which is it?",
)

RECEPTION = Agent(
    slug="reception",
    name="Reception",
    about="Answers, books visits, takes messages.",
    greeting="Hello, this is the front desk. I am a scripted test agent. I can book a visit, take a message or tell you our opening hours.",
    suggestions=("book a visit", "opening hours", "take a message"),
    intents=(
        Intent(
            name="book",
            keywords=("book", "booking", "appointment", "visit", "viewing", "schedule", "come by", "meeting"),
            slots=(DAY, TIME, NAME),
            answer="Noted: {day} at {time}, for {name}. In a live agent, this is where the calendar would be asked. Anything else?",
        ),
        Intent(
            name="hours",
            keywords=("hours", "open", "opening", "opening hours", "close", "closed", "when are you open", "weekend"),
            answer="We are open Monday to Friday from 9 to 6, and on Saturday from 10 to 2. Would you like to book a visit?",
        ),
        Intent(
            name="message",
            keywords=("message", "call back", "callback", "call me back", "leave a message", "speak to", "talk to", "manager"),
            slots=(PHONE, Slot(name="about", question="And what is it about?")),
            answer="I have noted {phone}, about: {about}. Somebody would call you back within the day. Anything else?",
        ),
        Intent(
            name="place",
            keywords=("address", "where are you", "location", "directions", "parking", "how do i get"),
            answer="We are at 12 Harbour Street, second floor; there is parking behind the building. Would you like to book a visit?",
        ),
    ),
    fallbacks=(
        "I am sorry, I did not understand that. I can book a visit, take a message or tell you our opening hours.",
        "That is beyond my script, I am afraid.",
    ),
    calls={
        "in": (
            Line(1, "agent", "Front desk, good day. You are speaking with a scripted test agent. How can I help?"),
            Line(7, "caller", "Hello, I would like to come by and see the flat on Harbour Street."),
            Line(12, "agent", "Gladly. Which day suits you?"),
            Line(16, "caller", "Thursday, if that works."),
            Line(20, "agent", "Thursday works. Half past ten, or two in the afternoon?"),
            Line(26, "caller", "Half past ten, please."),
            Line(30, "agent", "Then I have you down for Thursday at half past ten. Shall I send you a text with the address?"),
            Line(38, "caller", "Yes, to this number. Thank you!"),
            Line(42, "agent", "You will have it in a moment. Until Thursday!"),
        ),
        "out": (
            Line(1, "caller", "Hello?"),
            Line(4, "agent", "Good day, this is the front desk, a scripted test agent. I am calling to confirm your visit on Thursday."),
            Line(12, "caller", "Ah yes, at half past ten."),
            Line(16, "agent", "Exactly. Is that still convenient?"),
            Line(20, "caller", "It is. Where can I park?"),
            Line(25, "agent", "Behind the building; the gate opens by itself. See you on Thursday!"),
        ),
    },
)

SALES = Agent(
    slug="sales",
    name="Sales follow-up",
    about="Follows up on an enquiry, qualifies it, offers a call.",
    greeting="Hi! I am a scripted test agent, following up on your enquiry. Are you still looking, or would you like to talk about prices?",
    suggestions=("still looking", "prices", "call me", "not interested"),
    intents=(
        Intent(
            name="looking",
            keywords=("looking", "still looking", "interested", "yes", "yeah", "searching", "want to buy", "want to rent"),
            slots=(
                Slot(
                    name="rooms",
                    question="Good to hear. How many rooms do you need?",
                    pattern=r"\b(?:\d{1,2}|one|two|three|four|five|six)\b|\bstudio\b",
                    again="How many rooms, as a number?",
                ),
                Slot(
                    name="budget",
                    question="And what is your budget a month?",
                    pattern=r"[$€£]?\s?\d[\d,.]*\s?k?\b",
                    again="Roughly how much a month? A number will do.",
                ),
                DAY,
            ),
            answer="So: {rooms} rooms, about {budget} a month, and a first call {day}. A live agent would send you matches now.",
        ),
        Intent(
            name="price",
            keywords=("price", "prices", "cost", "costs", "how much", "expensive", "discount", "offer", "fee", "fees"),
            answer="Flats in this script begin at 1,200 a month, and our fee is one month’s rent. Shall I note what you are looking for?",
        ),
        Intent(
            name="later",
            keywords=("later", "not now", "busy", "next month", "call me", "call me back", "another time"),
            slots=(DAY, TIME),
            answer="I will get back to you {day} at {time}. Until then!",
        ),
        Intent(
            name="no",
            keywords=(
                "not interested",
                "no thanks",
                "no thank you",
                "no",
                "stop",
                "unsubscribe",
                "remove me",
                "found one",
                "found something",
            ),
            answer="Understood: I note that you do not want to be contacted about this again. All the best!",
        ),
    ),
    fallbacks=(
        "I did not catch that. Are you still looking, or is it about prices?",
        "My script has no answer to that, sorry.",
    ),
    calls={
        "out": (
            Line(1, "caller", "Hello, who is this?"),
            Line(4, "agent", "Hi, a scripted test agent here, following up on your enquiry from Monday. Is this a good moment?"),
            Line(12, "caller", "Sure, two minutes."),
            Line(15, "agent", "Thank you. Are you still looking for three rooms near the park?"),
            Line(21, "caller", "Yes, but not above 1,800 a month."),
            Line(26, "agent", "Two homes fit that. Would a viewing on Friday afternoon suit you?"),
            Line(33, "caller", "Friday at four would be fine."),
            Line(37, "agent", "Noted, Friday at four. You get both addresses by text. Goodbye!"),
        ),
        "in": (
            Line(1, "agent", "Sales desk, a scripted test agent speaking. What are you looking for?"),
            Line(6, "caller", "You texted me about a flat with three rooms. What does it cost?"),
            Line(12, "agent", "1,650 a month, heating included. May I ask when you would like to move?"),
            Line(19, "caller", "In spring, March or April."),
            Line(23, "agent", "That fits. Shall I put you down for the viewing on Friday at four?"),
            Line(29, "caller", "Please do."),
            Line(32, "agent", "Done. Thank you for calling back!"),
        ),
    },
)

SUPPORT = Agent(
    slug="support",
    name="Support",
    about="Looks into orders and problems, opens a ticket.",
    greeting="Hello, this is support. I am a scripted test agent. Tell me about an order, a problem or an invoice.",
    suggestions=("where is my order", "something is broken", "my invoice"),
    intents=(
        Intent(
            name="order",
            keywords=("order", "delivery", "parcel", "package", "shipped", "where is my", "tracking", "arrived"),
            slots=(
                Slot(
                    name="number",
                    question="I can look into that. What is the order number?",
                    pattern=_NUMBER,
                    again="An order number has at least three digits, like A-10042. Which is yours?",
                ),
            ),
            answer="Order {number} left the warehouse yesterday and should arrive tomorrow, says my script. Anything else?",
        ),
        Intent(
            name="problem",
            keywords=(
                *("broken", "problem", "error", "crash", "crashes", "fails", "bug", "issue", "stopped"),
                *("does not work", "doesn't work", "not working", "can't log in", "cannot log in"),
            ),
            slots=(
                Slot(name="what", question="I am sorry to hear that. What exactly happens?"),
                Slot(
                    name="since",
                    question="Thank you. Since when?",
                    pattern=_SINCE,
                    again="Since when, roughly? “Yesterday” or “2 days ago” will do.",
                ),
            ),
            answer="I have opened a ticket: “{what}”, since {since}. In a live agent, an engineer would see it now. Anything else?",
        ),
        Intent(
            name="invoice",
            keywords=("invoice", "receipt", "bill", "charged", "payment", "refund", "money back"),
            answer="Invoices and receipts are under Settings → Billing. For a refund, I would hand you over to a person. Anything else?",
        ),
        Intent(
            name="person",
            keywords=("person", "someone", "somebody", "agent", "operator", "complain", "complaint", "angry"),
            slots=(PHONE,),
            answer="A person would call {phone} within the hour. Anything else?",
        ),
    ),
    fallbacks=(
        "I am not sure I understood. Is it about an order, a problem or an invoice?",
        "I have no rule for that, sorry. I can ask a person to call you: say “a person”.",
    ),
    calls={
        "in": (
            Line(1, "agent", "Support, a scripted test agent speaking. What can I do for you?"),
            Line(6, "caller", "My order has not arrived yet. The number is A-10042."),
            Line(12, "agent", "One moment … A-10042 left the warehouse yesterday."),
            Line(18, "caller", "And when will it be here?"),
            Line(22, "agent", "Tomorrow before noon. Shall I text you when the driver is near?"),
            Line(29, "caller", "That would be great."),
            Line(32, "agent", "Done. Is there anything else?"),
            Line(36, "caller", "No, thank you. Goodbye."),
            Line(39, "agent", "Goodbye!"),
        ),
        "out": (
            Line(1, "caller", "Yes, hello?"),
            Line(4, "agent", "Support here, a scripted test agent. You told us yesterday that the app does not start."),
            Line(11, "caller", "Right. It still does not."),
            Line(15, "agent", "A new version came out this morning. Could you update it while we are on the line?"),
            Line(23, "caller", "One second … yes. Now it starts."),
            Line(30, "agent", "Glad to hear it. I close the ticket, then. Have a good day!"),
        ),
    },
)

AGENTS = {agent.slug: agent for agent in (RECEPTION, SALES, SUPPORT)}


def agent_name(slug: str) -> str:
    """What people read; a script that is no longer here keeps its slug in the runs that used it."""
    return AGENTS[slug].name if slug in AGENTS else slug
