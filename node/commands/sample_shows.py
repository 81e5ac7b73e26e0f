"""What is on in the sample: shows, towns and ticket types. All of it is invented.

Owns texts and numbers only; `sample.py` makes events of them.
"""

from typing import NamedTuple


class Town(NamedTuple):
    city: str
    country: str
    currency: str
    hours_to_utc: int  # what is added to the local time, roughly and without summer time
    hall: str  # for concerts, comedy and sport
    stage: str  # for theatre and family shows
    house: str  # for conferences and exhibitions
    field: str  # for festivals


TOWNS = (
    Town("Berlin", "Germany", "EUR", -1, "Kesselhalle am Kanal", "Theater am Lindenufer", "Glaswerk", "Flugfeld Nord"),
    Town("Hamburg", "Germany", "EUR", -1, "Halle 11 am Hafen", "Speicherbühne", "Kontorhaus Messe", "Elbwiesen"),
    Town("Munich", "Germany", "EUR", -1, "Isarhalle", "Kleines Haus am Markt", "Forum Ostpark", "Seewiese"),
    Town("Cologne", "Germany", "EUR", -1, "Rheinhalle 4", "Bühne am Ring", "Alte Färberei", "Poller Auen"),
    Town("Vienna", "Austria", "EUR", -1, "Donauhalle", "Volksbühne am Park", "Gasometer Forum", "Donauwiese"),
    Town("Zurich", "Switzerland", "CHF", -1, "Limmatsaal", "Theater Seefeld", "Werkhalle West", "Uferpark"),
    Town("Geneva", "Switzerland", "CHF", -1, "Salle du Rhône", "Théâtre des Quais", "Centre du Lac", "Parc des Rives"),
    Town("Paris", "France", "EUR", -1, "La Grande Verrière", "Théâtre du Passage", "Halle Sud", "Prairie de la Seine"),
    Town("Lyon", "France", "EUR", -1, "Le Hangar 9", "Théâtre des Deux Rives", "Cité des Soies", "Parc du Confluent"),
    Town("Amsterdam", "Netherlands", "EUR", -1, "De Loods", "Theater de Brug", "Pakhuis Oost", "Westerveld"),
    Town("Brussels", "Belgium", "EUR", -1, "Halle du Canal", "Théâtre de la Rosée", "Atelier Central", "Plaine Verte"),
    Town("Madrid", "Spain", "EUR", -1, "Sala Estación", "Teatro del Olmo", "Pabellón Norte", "Campo de la Ribera"),
    Town("Barcelona", "Spain", "EUR", -1, "Nau Vermella", "Teatre de la Font", "Fàbrica Blanca", "Platja Gran"),
    Town("Lisbon", "Portugal", "EUR", 0, "Armazém do Rio", "Teatro da Colina", "Doca Pavilhão", "Parque do Tejo"),
    Town("Rome", "Italy", "EUR", -1, "Sala Aurelia", "Teatro dei Platani", "Ex Mulino", "Prato Grande"),
    Town("Dublin", "Ireland", "EUR", 0, "The Grain Store", "Harbour Theatre", "Mill Quarter", "Long Meadow"),
    Town("London", "United Kingdom", "GBP", 0, "Tramshed East", "Lantern Theatre", "Foundry House", "Marsh Common"),
    Town(
        "Manchester", "United Kingdom", "GBP", 0, "Weavers' Hall", "Canal Street Playhouse", "Loom Works", "Beech Park"
    ),
    Town(
        "Edinburgh", "United Kingdom", "GBP", 0, "Castle Row Hall", "The Old Bindery", "Surgeons' Court", "North Links"
    ),
    Town("Stockholm", "Sweden", "SEK", -1, "Kvarnhallen", "Teater Brygga", "Magasin 7", "Ängsholmen"),
    Town("Gothenburg", "Sweden", "SEK", -1, "Kajhallen", "Teater Fyren", "Varvshuset", "Slottsängen"),
    Town("New York", "United States", "USD", 5, "Pier Nine Hall", "Maple Street Theater", "Ironworks", "Harbor Lawn"),
    Town("Chicago", "United States", "USD", 6, "The Switchyard", "Lakeside Playhouse", "Depot 22", "Prairie Park"),
    Town("San Francisco", "United States", "USD", 8, "Fog Hall", "Golden Hill Theater", "Cannery Loft", "Bay Meadow"),
    Town("Tokyo", "Japan", "JPY", -9, "Sumire Hall", "Minato Stage", "Kaze Forum", "Hibari Park"),
    Town("Osaka", "Japan", "JPY", -9, "Namiki Hall", "Theatre Hotaru", "Umi Forum", "Midori Riverside"),
)


class Kind(NamedTuple):
    venue: str  # which of a town's places
    weekday: int | None  # 0 is Monday; None: any
    hour: int  # local
    hours: int  # how long it lasts
    tickets: tuple[tuple[str, float, int], ...]  # name, times the show's price, capacity


KINDS = {
    "concert": Kind("hall", None, 20, 3, (("Standing", 1.0, 1200), ("Seated", 1.4, 450), ("Balcony", 1.2, 180))),
    "theatre": Kind("stage", None, 19, 3, (("Stalls", 1.5, 320), ("Circle", 1.1, 180), ("Gallery", 0.6, 120))),
    "comedy": Kind("hall", None, 20, 2, (("Front rows", 1.5, 60), ("General", 1.0, 340))),
    "sport": Kind("hall", None, 18, 3, (("Main stand", 1.3, 2400), ("Long side", 1.0, 3600), ("Under 16", 0.4, 600))),
    "festival": Kind(
        "field", 4, 12, 58, (("Weekend", 2.2, 6000), ("Saturday", 1.0, 2500), ("Weekend + tent", 2.9, 1500))
    ),
    "conference": Kind("house", 1, 8, 33, (("Full pass", 1.0, 700), ("Student", 0.3, 100), ("Workshops", 1.6, 80))),
    "exhibition": Kind("house", None, 9, 9, (("Morning", 1.0, 250), ("Afternoon", 1.0, 250), ("Reduced", 0.6, 120))),
    "family": Kind("stage", None, 14, 2, (("Adult", 1.0, 260), ("Child", 0.6, 240), ("Family of four", 2.6, 60))),
}


class Show(NamedTuple):
    name: str
    price: int  # euros, of the ordinary ticket
    towns: int  # how many it visits
    description: str


# fmt: off
SHOWS = {
    "concert": (
        Show("The Lantern Committee", 46, 5,
             "Five voices, two drummers and a wall of brass. The new record is played from front to back, and the "
             "old songs come after."),
        Show("Velvet Tramway", 39, 5,
             "Slow-burning synth pop from the last train home. Support: Ilse Over Water."),
        Show("Northern Fuse", 58, 5,
             "Stadium rock with the amplifiers turned towards the sky. Bring ear plugs."),
        Show("Marrow & Vine", 34, 4,
             "Folk duo with banjo, harmonium and far too many stories between the songs."),
        Show("Blue Hour Jazz Quintet", 32, 5,
             "Late-night jazz around one piano. Two sets, a short break, no chatter."),
        Show("Half Past Orbit", 44, 4,
             "Electronic music played by hand, under a ceiling of moving light."),
        Show("Orchestra of the Three Rivers", 62, 4,
             "A romantic symphony, a new work for cello, and an encore that the audience chooses."),
        Show("Kettle Black Sundays", 29, 4,
             "Loud, fast and over in seventy minutes. All ages; the balcony is quieter."),
        Show("Radio Saffrano", 37, 4,
             "Afrobeat, cumbia and disco from an eleven-piece band that never stands still."),
        Show("Winter Songs by Candlelight", 41, 4,
             "A chamber choir sings the darkest evenings bright. Unamplified."),
    ),
    "theatre": (
        Show("The Clockmaker's Daughter", 48, 3,
             "A town stops all its clocks, and one girl hears them still. A new play with live music."),
        Show("Twelve Chairs for a Ghost", 42, 3,
             "Eleven relatives, one will, and a guest nobody invited. A comedy of bad manners."),
        Show("Salt and Lamplight", 38, 3,
             "Two sisters run a lighthouse after their father has gone. Ninety minutes without a break."),
        Show("The Understudy's Revenge", 45, 3,
             "On the night of the premiere everything goes right, which nobody had planned for."),
        Show("A Room Full of Tuesdays", 36, 3,
             "The same evening, seen by four people who remember it differently."),
        Show("Harbour Lights: the Musical", 72, 4,
             "Love, strikes and tap dancing on the docks. With a full orchestra in the pit."),
        Show("King of the Allotment", 34, 3,
             "Power corrupts, even among runner beans. A tragedy with vegetables."),
        Show("Night Shift Ballet", 55, 3,
             "Dance for twelve nurses, three porters and a broken lift."),
    ),
    "comedy": (
        Show("Sorry, Wrong Galaxy", 27, 4,
             "Stand-up about moving house, growing older and being abducted on a Monday."),
        Show("The Improvised Parliament", 24, 3,
             "You shout a law, they debate it. Every evening ends with a vote."),
        Show("Three Funny Strangers", 22, 4,
             "Three comedians who have never met share one stage and one microphone."),
        Show("My Mother Has Notes", 26, 3,
             "An hour of family advice, corrected live from the second row."),
        Show("Late Laughs Club", 18, 4,
             "Six newcomers, six minutes each, one patient host."),
        Show("The Worst Tour Guide", 25, 3,
             "A walk through a city that may not be this one. Seated, for safety."),
    ),
    "sport": (
        Show("Ice Hockey: Harbour Wolves v Northern Lights", 34, 2,
             "First against second, four matches before the play-offs."),
        Show("Handball Cup Semi-final", 29, 3,
             "One evening, two matches, one place in the final."),
        Show("City Basketball Derby", 31, 3,
             "Both halves of the town, one ball. Doors open ninety minutes before."),
        Show("Indoor Athletics Meeting", 27, 3,
             "Sprints, pole vault and a mile under lights."),
        Show("Wheelchair Rugby Open", 16, 2,
             "Eight teams in two days; the final is on Sunday afternoon."),
        Show("Table Tennis Grand Prix", 21, 3,
             "The quick ones meet the patient ones. Three tables at once from noon."),
        Show("Roller Derby Double Header", 19, 3,
             "Two bouts, a live band at half time, and a rule book at every seat."),
        Show("Night Swim Relay", 14, 2,
             "Teams of six, four hours, one pool. Spectators dry on the gallery."),
    ),
    "festival": (
        Show("Wild Barley Festival", 64, 3,
             "Three days of folk, food and swimming in the lake. Children under ten come in free of charge."),
        Show("Low Tide Electronica", 72, 3,
             "Forty acts on four stages between the dunes and the dawn."),
        Show("Brass in the Meadow", 38, 3,
             "Marching bands, street bands and one very large tuba."),
        Show("Jazz on the River", 56, 4,
             "Swing, free jazz and everything between on three floating stages. The boats leave on the hour."),
        Show("Festival of Small Films", 33, 3,
             "Ninety short films in three days, with their makers in the room."),
        Show("Street Food and Vinyl", 22, 3,
             "Sixty kitchens and twelve turntables. Come hungry."),
    ),
    "conference": (
        Show("Systems at Scale", 390, 3,
             "Two days on queues, failures and the people who get paged. Talks are recorded; the hallway is not."),
        Show("Data for Good Summit", 280, 3,
             "Charities and statisticians at one table. Bring a question."),
        Show("The Quiet Web", 240, 3,
             "Accessible, fast and polite: two days about sites that respect their visitors."),
        Show("Future of Rail", 420, 3,
             "Night trains, timetables and the batteries between. With a visit to a depot."),
        Show("Independent Bookshops Forum", 160, 3,
             "How small shops stay open: numbers, neighbours and new ideas."),
        Show("Women in Robotics", 310, 3,
             "Keynotes, demonstrations and a job market on the second afternoon."),
    ),
    "exhibition": (
        Show("Chairs: a History of Sitting", 15, 3,
             "Two hundred seats from five centuries; most may be tried."),
        Show("Under the Ice", 18, 3,
             "Light, sound and real meltwater from a year at the edge of a glacier."),
        Show("The Colour Blue", 16, 3,
             "From ground stone to screen: one colour through four thousand years."),
        Show("Machines That Never Worked", 14, 3,
             "Perpetual motion, flying bicycles and other honest mistakes."),
        Show("Faces of the Night Bus", 12, 3,
             "Photographs taken between midnight and five, with the passengers' own words."),
        Show("Paper Cities", 17, 2,
             "A walk through forty towns folded by hand."),
    ),
    "family": (
        Show("The Dragon Who Was Afraid of Matches", 19, 4,
             "A puppet play from four years up. Fifty minutes, and the dragon signs afterwards."),
        Show("Science Live: Big Bangs", 23, 4,
             "Loud experiments that should not be repeated at home. From eight years up."),
        Show("Grandma's Orchestra", 21, 3,
             "A concert in which every child conducts once."),
        Show("The Moon Is a Biscuit", 18, 3,
             "Shadow theatre for the very small. Cushions in front, parents behind."),
        Show("Captain Pepper's Treasure", 20, 3,
             "A pirate musical with a real parrot, who improvises."),
        Show("Circus in a Suitcase", 24, 3,
             "Three acrobats unpack a whole circus. From five years up."),
    ),
}
# fmt: on
